"""ImageNet's tar files as downloaded, read in place; and any tar with a folder, or an inner tar, per class."""

import pathlib
from collections.abc import Sequence

import tensorflow as tf

from alexnet_tf.data import tfds_builder
from alexnet_tf.data.file_split import FileSplit, check_classes, flat
from alexnet_tf.data.held_out import FilesByClass, hold_out
from alexnet_tf.data.sources import Dataset
from alexnet_tf.data.tar_members import Member, members, read_member
from alexnet_tf.errors import UserError

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
# One WordNet id per line, in the order of the validation images' names. TFDS includes the same list.
GROUND_TRUTH = "ILSVRC2012_validation_wordnet_ids.txt"


def open_tar(name: str, path: str, seed: int) -> Dataset:
    """Opens a folder that contains ILSVRC's tars, or one tar file.

    The folder contains `ILSVRC2012_img_train.tar` (one inner tar per class) and `ILSVRC2012_img_val.tar`. The labels of
    the latter are in `ILSVRC2012_validation_wordnet_ids.txt` beside it, or come with TFDS. For a single tar, or without
    the validation tar, a tenth of each class is held out.

    Raises:
        UserError: if there is no such file, it is not an uncompressed tar, or it has fewer than two classes.
    """
    root = pathlib.Path(path).expanduser()
    file = root / TRAIN if root.is_dir() else root
    if not file.is_file():
        raise UserError(f"dataset must name a tar file, or a folder with {TRAIN}, got {name!r}")
    by_class = _classes(file, name)
    holds_out = not (root.is_dir() and (root / VALIDATION).is_file())
    train: FilesByClass[Member] = by_class
    held_out: FilesByClass[Member]
    if holds_out:
        train, held_out = hold_out(by_class, name, seed)
    else:
        held_out = _validation(root, tuple(by_class), name)
    return Dataset(name, tuple(by_class), _split(train), _split(held_out), holds_out=holds_out)


def _classes(tar: pathlib.Path, name: str) -> FilesByClass[Member]:
    """{class name: members}, from inner tars or from folders."""
    by_class: dict[str, list[Member]] = {}
    for member in members(tar, name):
        if member.name.endswith(".tar"):
            inside = members(tar, name, member.offset, member.size)
            by_class[pathlib.PurePosixPath(member.name).stem] = sorted(inside, key=lambda m: m.name)
        else:
            folder = pathlib.PurePosixPath(member.name).parent.name
            if folder:
                by_class.setdefault(folder, []).append(member)
    check_classes(by_class, name, "an inner tar, or a folder inside the tar, with images")
    return {class_name: by_class[class_name] for class_name in sorted(by_class)}


def _validation(root: pathlib.Path, class_names: Sequence[str], name: str) -> FilesByClass[Member]:
    files = sorted(members(root / VALIDATION, name), key=lambda member: member.name)
    truth = _ground_truth(root)
    if len(files) > len(truth):
        raise UserError(
            f"dataset {name!r}: {VALIDATION} must have at most one image per label, "
            f"got {len(files)} images and {len(truth)} labels"
        )
    by_class: dict[str, list[Member]] = {class_name: [] for class_name in class_names}
    for file, class_name in zip(files, truth, strict=False):
        if class_name not in by_class:
            raise UserError(f"dataset {name!r}: {file.name} must have a class of {TRAIN}, got {class_name!r}")
        by_class[class_name].append(file)
    return by_class


def _ground_truth(root: pathlib.Path) -> list[str]:
    own = root / GROUND_TRUTH
    if own.is_file():
        return own.read_text(encoding="utf-8").split()
    tfds = tfds_builder.load(f"a folder of ImageNet's tar files without {GROUND_TRUTH}")
    return tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt").read_text().split()


def _split(by_class: FilesByClass[Member]) -> FileSplit:
    files, labels = flat(by_class)

    def read(index: int) -> bytes:
        return read_member(files[index])

    def read_or_nothing(index: int) -> bytes:
        try:
            return read(index)
        except OSError:
            return b""  # Undecodable: the image is skipped and named in a report.

    def read_tensor(index: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(read_or_nothing, [index], tf.string), [])

    return FileSplit([file.name for file in files], labels, read, read_tensor, lambda index: files[index].size)
