"""An image folder as a dataset: one subfolder per class."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.file_split import FileSplit, flat
from alexnet_tf.data.folder_files import scan
from alexnet_tf.data.held_out import VALIDATION_NAMES, hold_out
from alexnet_tf.data.sources import Dataset
from alexnet_tf.errors import UserError


def open_folder(name: str, path: str, seed: int) -> Dataset:
    """Opens `PATH/<class>/<image>`, or the same in `PATH/train` and `PATH/validation` (or `val`, `test`).

    Without a validation folder, a tenth of each class (at least one image) is held out, the same for the same seed.

    Raises:
        UserError: if the folder is missing, has fewer than two classes or a class with too few images, or the
            validation set has other classes.
    """
    parts = _parts(name, path)
    if "train" not in parts:
        raise UserError(
            f"dataset {name!r} must have a folder train beside {parts['validation'].name}, which alone can only be "
            "evaluated"
        )
    by_class, ignored = scan(parts["train"], name)
    if "validation" in parts:
        held_out, more = scan(parts["validation"], name)
        ignored += more
        if list(held_out) != list(by_class):
            odd = sorted(set(held_out) ^ set(by_class))
            raise UserError(
                f"dataset {name!r}: {parts['train']} and {parts['validation']} must have the same classes, "
                f"got {', '.join(map(repr, odd))} in one of them"
            )
    else:
        by_class, held_out = hold_out(by_class, name, seed)
    train, validation = files_split(*flat(by_class)), files_split(*flat(held_out))
    return Dataset(
        name, tuple(by_class), train, validation, ignored=tuple(ignored), holds_out="validation" not in parts
    )


def open_whole_folder(name: str, path: str) -> tuple[Dataset, pathlib.Path, bool]:
    """Opens all images of a folder, or of its validation folder if it has one, as a validation set.

    Returns:
        The dataset, the folder that was read, and whether that is the only one.
    """
    parts = _parts(name, path)
    root = parts.get("validation") or parts["train"]
    by_class, ignored = scan(root, name)
    split = files_split(*flat(by_class))
    dataset = Dataset(name, tuple(by_class), split, split, ignored=tuple(ignored), holds_out="validation" not in parts)
    return dataset, root, len(parts) == 1


def _parts(name: str, path: str) -> dict[str, pathlib.Path]:
    """{"train": folder, "validation": folder} of a dataset, of which one may be missing."""
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise UserError(f"dataset must name an existing folder, got {name!r}")
    held_out = next((root / part for part in VALIDATION_NAMES if (root / part).is_dir()), None)
    if (root / "train").is_dir():
        return {"train": root / "train"} | ({"validation": held_out} if held_out else {})
    folders = {entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    # Among other folders, one of that name is a class.
    return {"validation": held_out} if held_out and folders <= set(VALIDATION_NAMES) else {"train": root}


def files_split(paths: Sequence[str], labels: npt.NDArray[np.int64] | None = None) -> FileSplit:
    """A `FileSplit` of image files in the given order.

    Args:
        paths: of the files.
        labels: int64 (files,). If not given, the user named the files, and all have label 0.

    Raises:
        UserError: if the user named a pipe, a device or a socket: to read it might never end.
    """
    if labels is None:
        odd = [path for path in paths if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))]
        if odd:
            raise UserError(f"IMAGE must be a regular file, got {odd[0]!r}")
    labels = np.zeros(len(paths), np.int64) if labels is None else labels
    tensor = tf.constant(paths)
    return FileSplit(
        paths, labels, lambda index: pathlib.Path(paths[index]).read_bytes(), lambda i: tf.io.read_file(tensor[i]),
        lambda index: os.path.getsize(paths[index]),
    )  # fmt: skip
