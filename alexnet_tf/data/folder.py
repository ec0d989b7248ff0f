"""An image folder as a dataset: one sub-folder a class."""

import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.data.images import decode
from alexnet_tf.data.sources import Dataset, IndexedSplit

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
VALIDATION_NAMES = ("val", "validation", "test")
HELD_OUT = 0.1


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
        by_class, held_out = _hold_out(by_class, name, seed)
    return Dataset(name, tuple(by_class), _split(by_class), _split(held_out))


def _scan(root, name):
    """Returns {class name: sorted list of image paths}; what is not called like an image is left out."""
    classes = {
        entry.name: sorted(str(file) for file in entry.rglob("*") if file.suffix.lower() in SUFFIXES)
        for entry in sorted(root.iterdir())
        if entry.is_dir() and not entry.name.startswith(".")
    }
    if len(classes) < 2:
        raise ValueError(
            f"dataset must have at least two classes, each a sub-folder of images. "
            f"Received: dataset={name!r} with {len(classes)} in {root}"
        )
    empty = [class_name for class_name, files in classes.items() if not files]
    if empty:
        raise ValueError(f"dataset {name!r}: no image ({', '.join(SUFFIXES)}) in {root / empty[0]}")
    return classes


def _hold_out(by_class, name, seed):
    train, held_out = {}, {}
    for number, (class_name, files) in enumerate(by_class.items()):
        if len(files) < 2:
            raise ValueError(f"dataset {name!r}: class {class_name!r} has one image; at least two are needed")
        order = np.random.default_rng([seed, number]).permutation(len(files))
        cut = max(1, round(HELD_OUT * len(files)))
        held_out[class_name] = [files[i] for i in sorted(order[:cut])]
        train[class_name] = [files[i] for i in sorted(order[cut:])]
    return train, held_out


def _split(by_class):
    files = [file for class_files in by_class.values() for file in class_files]
    labels = np.repeat(np.arange(len(by_class)), [len(class_files) for class_files in by_class.values()])
    paths, label_table = tf.constant(files), tf.constant(labels, tf.int64)
    skipped = set()

    def note(path):
        skipped.add(path.decode())
        return np.float32(0)

    def load(index):
        image = _decode_or_empty(paths[index])
        weight = tf.cond(tf.size(image) > 0, lambda: 1.0, lambda: tf.numpy_function(note, [paths[index]], tf.float32))
        image = tf.cond(tf.size(image) > 0, lambda: image, lambda: tf.zeros([1, 1, 3], tf.uint8))
        return {"image": image, "label": label_table[index], "weight": tf.ensure_shape(weight, [])}

    return IndexedSplit(len(files), load, skipped)


def _decode_or_empty(path):
    """The decoded image, or one without pixels where the file cannot be read or is not an image.

    An operation that fails takes its whole dataset down; inside a dataset of one element, the failure can be
    dropped instead.
    """
    attempt = tf.data.Dataset.from_tensors(path).map(lambda p: decode(tf.io.read_file(p))).ignore_errors()
    empty = tf.data.Dataset.from_tensors(tf.zeros([0, 0, 3], tf.uint8))
    return attempt.concatenate(empty).take(1).get_single_element()
