"""Reads `.weights.h5` files as arrays by layer name, so that what fits can be told from what does not."""

import h5py


def read_weights_h5(path):
    """The arrays of each layer, in our own layout.

    Args:
        path: of what `keras.Model.save_weights` wrote.

    Returns:
        A dict from layer name to its arrays, in the order of `layer.weights`.

    Raises:
        ValueError: if it is not such a file, is cut short, or declares sizes that it does not hold.
        FileNotFoundError: if it is missing.
    """
    try:
        with h5py.File(path, "r") as file:
            groups = (group["vars"] for group in file["layers"].values())
            return {
                str(group.attrs["name"]): [_array(group[key]) for key in sorted(group, key=int)] for group in groups
            }
    except FileNotFoundError:
        raise
    except (OSError, KeyError, AttributeError, RuntimeError, ValueError) as error:
        raise ValueError(f"weights are no .weights.h5 file, or cut short: {error}. Received: {str(path)!r}") from error


def _array(dataset):
    if dataset.id.get_storage_size() != dataset.nbytes:
        raise ValueError(f"{dataset.name} declares {dataset.nbytes} bytes, stored are {dataset.id.get_storage_size()}")
    return dataset[()]
