"""Datasets of labeled images: the interface to generated shapes, image files, tar files, prepared records, and TFDS."""

import dataclasses
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.sampling import Crop, Sampler
from alexnet_tf.data.statistics import Statistics
from alexnet_tf.errors import UserError

# Unicode's control characters and separators of lines; and what is left of a file name that is not UTF-8.
_CONTROLS = ("Cc", "Zl", "Zp", "Cs")


class Split(Protocol):
    """One part of a dataset.

    Attributes:
        count: number of examples, which is one epoch.
        skipped: names of the files that could not be read so far; their examples have weight 0.
        names: name of each example as the user knows it, e.g. its path; None if unknown without reading the images.
        labels: int64 (count,); None if unknown without reading the images.
    """

    count: int

    @property
    def skipped(self) -> set[str]: ...

    @property
    def names(self) -> Sequence[str] | None: ...

    @property
    def labels(self) -> npt.NDArray[np.int64] | None: ...

    def read(self, sampler: Sampler, crop: Crop) -> tf.data.Dataset:
        """Streams cropped images, one element per step.

        Returns:
            A dataset of dicts: `image` uint8 (size, crop, crop, 3), `label` int64 (size,), and `weight` float32
            (size,): 1, or 0 for an image that could not be read.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Original:
    """One image file of a split.

    Attributes:
        name: as the user knows it: a path, or a member of a tar.
        label: index into the class names.
        read: returns the file's bytes; raises OSError.
    """

    name: str
    label: int
    read: Callable[[], bytes]


@runtime_checkable
class ImageFileSplit(Split, Protocol):
    """A split of image files, which `prepare` can read."""

    def originals(self, start: int, stop: int) -> Iterator[Original]:
        """Iterates over the examples from `start` to `stop`, in the split's own order."""
        ...


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An image classification dataset.

    Attributes:
        name: as passed to `open_dataset`, e.g. `folder:photos`.
        class_names: a label is an index into them.
        train: the training set.
        validation: the validation set.
        statistics: of the training images, if they are stored with the dataset.
        ignored: (name, reason) of what looks like an image file and is in no split, e.g. a pipe.
        holds_out: whether the validation set was taken from the training images, for want of one.

    Raises:
        UserError: if the name of a class has control characters, which would shift lines of files, or change what a
            terminal shows.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    statistics: Statistics | None = None
    ignored: tuple[tuple[str, str], ...] = ()
    holds_out: bool = False

    def __post_init__(self) -> None:
        check_class_names(self.class_names, f"dataset {self.name!r}")


def check_class_names(class_names: Iterable[str], where: str) -> None:
    """Raises UserError, which begins with `where`, if the name of a class has characters that cannot be printed."""
    for class_name in class_names:
        if any(unicodedata.category(character) in _CONTROLS for character in class_name):
            raise UserError(f"{where}: names of classes must be printable, got {class_name!r}")


def name_of(split: Split, part: str, index: int) -> str:
    """The name of an example: its own, or `part` and its index."""
    return split.names[index] if split.names is not None else f"{part} {index}"
