"""ImageNet's tar files as downloaded, read in place; and any tar with a folder, or a tar inside, a class."""

import functools
import os
import pathlib
import tarfile

import numpy as np
import tensorflow as tf

from alexnet_tf.data.file_split import FileSplit, check_classes, flat, hold_out
from alexnet_tf.data.sources import Dataset

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
# One WordNet id a line, in the order of the validation images' names. TFDS carries the same list.
GROUND_TRUTH = "ILSVRC2012_validation_wordnet_ids.txt"


def open_tar(name, path, seed):
    """Opens a folder that holds ILSVRC's tars, or one tar file.

    A folder holds `ILSVRC2012_img_train.tar` (a tar a class) and `ILSVRC2012_img_val.tar`; the ground truth of the
    latter comes with TFDS, or from `ILSVRC2012_validation_wordnet_ids.txt` beside it. Of a single tar, or without
    the validation tar, a tenth of each class is held out.

    Raises:
        ValueError: if there is no such file, it is no plain tar, or it has fewer than two classes.
    """
    root = pathlib.Path(path).expanduser()
    train = root / TRAIN if root.is_dir() else root
    if not train.is_file():
        raise ValueError(f"dataset must name a tar file, or a folder with {TRAIN}. Received: dataset={name!r}")
    by_class = _classes(train, name)
    if root.is_dir() and (root / VALIDATION).is_file():
        held_out = _validation(root, tuple(by_class), name)
    else:
        by_class, held_out = hold_out(by_class, name, seed)
    return Dataset(name, tuple(by_class), _split(by_class), _split(held_out))


class _Member:
    """A file inside a tar: where it lies, and how many bytes it has."""

    __slots__ = ("name", "tar", "offset", "size")

    def __init__(self, name, tar, offset, size):
        self.name, self.tar, self.offset, self.size = name, tar, offset, size


def _members(tar, name, offset=0, size=None):
    """The files of a tar, or of a tar inside it that begins at `offset`, read from their headers alone."""
    with open(tar, "rb") as file:
        view = file if size is None else _View(file, offset, size)
        try:
            with tarfile.open(fileobj=view, mode="r:") as archive:
                for info in archive:
                    if info.isfile():
                        yield _Member(info.name, tar, offset + info.offset_data, info.size)
        except tarfile.TarError as error:
            raise ValueError(f"dataset {name!r}: {tar} is not a tar file, or is cut short: {error}") from error


class _View:
    """A part of an open file as a file of its own."""

    def __init__(self, file, offset, size):
        self._file, self._offset, self._size, self._place = file, offset, size, 0

    def seek(self, place, whence=os.SEEK_SET):
        self._place = place + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def tell(self):
        return self._place

    def read(self, count=-1):
        left = max(self._size - self._place, 0)
        self._file.seek(self._offset + self._place)
        data = self._file.read(left if count < 0 else min(count, left))
        self._place += len(data)
        return data


def _classes(tar, name):
    """{class name: members}, from tars inside or from folders."""
    by_class = {}
    for member in _members(tar, name):
        if member.name.endswith(".tar"):
            inside = _members(tar, name, member.offset, member.size)
            by_class[pathlib.PurePosixPath(member.name).stem] = sorted(inside, key=lambda m: m.name)
        else:
            folder = pathlib.PurePosixPath(member.name).parent.name
            if folder:
                by_class.setdefault(folder, []).append(member)
    check_classes(by_class, name, "a tar or a folder inside, with images")
    return {class_name: by_class[class_name] for class_name in sorted(by_class)}


def _validation(root, class_names, name):
    members = sorted(_members(root / VALIDATION, name), key=lambda member: member.name)
    truth = _ground_truth(root)
    if len(members) > len(truth):
        raise ValueError(f"dataset {name!r}: {VALIDATION} has {len(members)} images, its ground truth {len(truth)}")
    by_class = {class_name: [] for class_name in class_names}
    for member, class_name in zip(members, truth, strict=False):
        if class_name not in by_class:
            raise ValueError(f"dataset {name!r}: {member.name} is of class {class_name!r}, which {TRAIN} has not")
        by_class[class_name].append(member)
    return by_class


def _ground_truth(root):
    own = root / GROUND_TRUTH
    if own.is_file():
        return own.read_text().split()
    # Imported when it is needed: TFDS takes seconds.
    import tensorflow_datasets as tfds

    return tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt").read_text().split()


def _split(by_class):
    members, labels = flat(by_class)

    def read(index):
        member = members[index]
        # By place: many threads share one open file.
        data = os.pread(_descriptor(member.tar), member.size, member.offset)
        if len(data) != member.size:
            raise OSError(f"{member.tar} is cut short")
        return data

    def read_or_nothing(index):
        try:
            return read(index)
        except OSError:
            return b""  # No image: skipped and named as such.

    def read_tensor(index):
        return tf.ensure_shape(tf.numpy_function(read_or_nothing, [index], tf.string), [])

    return FileSplit([member.name for member in members], np.asarray(labels), read, read_tensor)


@functools.cache
def _descriptor(tar):
    return os.open(tar, os.O_RDONLY)
