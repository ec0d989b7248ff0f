"""Opens a dataset by the name that a user passes."""

import pathlib
from collections.abc import Callable

from alexnet_tf.data.folder import open_folder
from alexnet_tf.data.records import open_records
from alexnet_tf.data.shapes import open_shapes
from alexnet_tf.data.sources import Dataset
from alexnet_tf.data.tar import open_tar
from alexnet_tf.data.tfds_source import open_tfds
from alexnet_tf.errors import UserError


def open_dataset(name: str, seed: int = 0) -> Dataset:
    """Opens a dataset by name.

    Args:
        name: `builtin:shapes`, `folder:PATH`, `tar:PATH`, `records:DIR` (written by `alexnet-tf prepare`) or
            `tfds:NAME` (also `tfds:NAME/CONFIG:VERSION`).
        seed: non-negative int; seeds the built-in dataset, and the choice of held-out images for a dataset without a
            validation set.

    Raises:
        UserError: if there is no such kind of dataset, or the dataset is missing, empty or not for classification.
    """
    kind, _, rest = str(name).partition(":")
    if kind not in _OPENERS or not rest:
        raise UserError(
            "dataset must be builtin:shapes, folder:PATH, tar:PATH, records:DIR or tfds:NAME, "
            f"got {str(name)!r}{_suggestion(str(name))}"
        )
    return _OPENERS[kind](name, rest, seed)


def _suggestion(name: str) -> str:
    path = pathlib.Path(name).expanduser()
    if not path.exists():
        return ""
    kind = "tar" if path.is_file() else "records" if (path / "dataset.json").is_file() else "folder"
    return f"; did you mean {kind}:{name}?"


def _open_builtin(name: str, rest: str, seed: int) -> Dataset:
    if rest != "shapes":
        raise UserError(f"dataset must be builtin:shapes, the only built-in dataset, got {name!r}")
    return open_shapes(name, seed)


_OPENERS: dict[str, Callable[[str, str, int], Dataset]] = {
    "builtin": _open_builtin,
    "folder": open_folder,
    "tar": open_tar,
    "records": open_records,
    "tfds": open_tfds,
}
