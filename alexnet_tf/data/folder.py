"""An image folder as a dataset: one subfolder per class."""

import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.file_split import FileSplit, check_classes, flat
from alexnet_tf.data.held_out import VALIDATION_NAMES, FilesByClass, hold_out
from alexnet_tf.data.sources import Dataset
from alexnet_tf.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")


def open_folder(name: str, path: str, seed: int) -> Dataset:
    """Opens `PATH/<class>/<image>`, or the same in `PATH/train` and `PATH/validation` (or `val`, `test`).

    Without a validation folder, a tenth of each class (at least one image) is held out, the same for the same seed.

    Raises:
        UserError: if the folder is missing, has fewer than two classes or a class with too few images, or the
            validation set has other classes.
    """
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise UserError(f"dataset must name an existing folder, got {name!r}")
    train_root = root / "train" if (root / "train").is_dir() else root
    by_class = _scan(train_root, name)
    validation_root = next((root / n for n in VALIDATION_NAMES if train_root != root and (root / n).is_dir()), None)
    if validation_root:
        held_out = _scan(validation_root, name)
        if list(held_out) != list(by_class):
            odd = sorted(set(held_out) ^ set(by_class))
            raise UserError(
                f"dataset {name!r}: {train_root} and {validation_root} must have the same classes, "
                f"got {', '.join(odd)} in one of them"
            )
    else:
        by_class, held_out = hold_out(by_class, name, seed)
    return Dataset(name, tuple(by_class), files_split(*flat(by_class)), files_split(*flat(held_out)))


def _scan(root: pathlib.Path, name: str) -> FilesByClass[str]:
    """Returns {class name: sorted image paths}; files without an image's suffix are left out."""
    classes = {
        entry.name: sorted(str(file) for file in entry.rglob("*") if file.suffix.lower() in SUFFIXES)
        for entry in sorted(root.iterdir())
        if entry.is_dir() and not entry.name.startswith(".")
    }
    check_classes(classes, name, f"a subfolder of {root} with images ({', '.join(SUFFIXES)})")
    return classes


def files_split(paths: Sequence[str], labels: npt.NDArray[np.int64] | None = None) -> FileSplit:
    """A `FileSplit` of image files in the given order; without labels, all have label 0."""
    labels = np.zeros(len(paths), np.int64) if labels is None else labels
    tensor = tf.constant(paths)
    return FileSplit(
        paths, labels, lambda index: pathlib.Path(paths[index]).read_bytes(), lambda i: tf.io.read_file(tensor[i])
    )
