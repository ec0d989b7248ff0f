"""An image folder as a dataset: one sub-folder a class."""

import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.data.file_split import FileSplit, check_classes, flat, hold_out
from alexnet_tf.data.sources import Dataset

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
VALIDATION_NAMES = ("val", "validation", "test")


def open_folder(name, path, seed):
    """Opens `PATH/<class>/<image>`, or the same below `PATH/train` and `PATH/val` (`validation`, `test`).

    Without a validation folder, a tenth of each class (one image at least) is held out, the same for the same seed.

    Raises:
        ValueError: if the folder is missing, or has fewer than two classes, or a class has too few images, or
            training and validation have different classes.
    """
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise ValueError(f"dataset must name a folder that exists. Received: dataset={name!r}")
    train_root = root / "train" if (root / "train").is_dir() else root
    by_class = _scan(train_root, name)
    validation_root = next((root / n for n in VALIDATION_NAMES if train_root != root and (root / n).is_dir()), None)
    if validation_root:
        held_out = _scan(validation_root, name)
        if list(held_out) != list(by_class):
            odd = sorted(set(held_out) ^ set(by_class))
            raise ValueError(f"dataset {name!r}: {train_root} and {validation_root} differ in the classes {odd}")
    else:
        by_class, held_out = hold_out(by_class, name, seed)
    return Dataset(name, tuple(by_class), files_split(*flat(by_class)), files_split(*flat(held_out)))


def _scan(root, name):
    """Returns {class name: sorted list of image paths}; what is not called like an image is left out."""
    classes = {
        entry.name: sorted(str(file) for file in entry.rglob("*") if file.suffix.lower() in SUFFIXES)
        for entry in sorted(root.iterdir())
        if entry.is_dir() and not entry.name.startswith(".")
    }
    check_classes(classes, name, f"a sub-folder of {root} with images ({', '.join(SUFFIXES)})")
    return classes


def files_split(paths, labels=None):
    """A `Split` of image files, in the order given; without labels, all are of one class."""
    labels = np.zeros(len(paths), np.int64) if labels is None else labels
    tensor = tf.constant(paths)
    return FileSplit(
        paths, labels, lambda index: pathlib.Path(paths[index]).read_bytes(), lambda i: tf.io.read_file(tensor[i])
    )
