"""Reads `.weights.h5` files as arrays by layer name, so that layers that do not fit can be reported."""

import os
from typing import Any

import h5py
import numpy.typing as npt

from alexnet_tf.errors import UserError


def read_weights_h5(path: str | os.PathLike) -> dict[str, list[npt.NDArray[Any]]]:
    """Returns the arrays of each layer, in Keras' layout.

    Args:
        path: of a file that `keras.Model.save_weights` wrote.

    Returns:
        From layer name to its arrays, in the order of `layer.weights`.

    Raises:
        UserError: if it is not such a file, is truncated, or declares sizes that it does not hold.
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
        raise UserError(f"weights must be a complete .weights.h5 file, got {str(path)!r}: {error}") from error


def _array(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    stored = dataset.id.get_storage_size()
    if stored != dataset.nbytes:
        raise ValueError(f"{dataset.name} declares {dataset.nbytes} bytes and holds {stored}")
    return dataset[()]
