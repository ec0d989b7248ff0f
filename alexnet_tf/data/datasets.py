"""Opens a dataset by the name that a user gives it."""

from alexnet_tf.data.folder import open_folder
from alexnet_tf.data.records import open_records
from alexnet_tf.data.shapes import open_shapes
from alexnet_tf.data.tar import open_tar


def open_dataset(name, seed=0):
    """Opens a dataset by name.

    Args:
        name: `builtin:shapes`, `folder:PATH`, `tar:PATH`, `records:DIR` (made by `alexnet-tf prepare`) or `tfds:NAME`
            (also `tfds:NAME/CONFIG:VERSION`).
        seed: non-negative int; it draws the built-in set, and picks what is held out where a set has no
            validation part of its own.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: if there is no such kind of dataset, or it is missing, empty or not for classification.
    """
    kind, _, rest = name.partition(":")
    if kind not in _OPENERS or not rest:
        raise ValueError(
            "dataset must be builtin:shapes, folder:PATH, tar:PATH, records:DIR or tfds:NAME. "
            f"Received: dataset={name!r}",
        )
    return _OPENERS[kind](name, rest, seed)


def _open_builtin(name, rest, seed):
    if rest != "shapes":
        raise ValueError(f"dataset: the built-in set is called builtin:shapes. Received: dataset={name!r}")
    return open_shapes(name, seed)


def _open_tfds(name, rest, seed):
    # Imported when it is needed: TFDS takes seconds.
    from alexnet_tf.data.tfds_source import open_tfds

    return open_tfds(name, rest, seed)


_OPENERS = {
    "builtin": _open_builtin, "folder": open_folder, "tar": open_tar, "records": open_records, "tfds": _open_tfds,
}  # fmt: skip
