"""Datasets of labeled images: the interface to drawn figures, files in folders and tars, prepared records, and TFDS."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.sampling import Crop, Sampler
from alexnet_tf.data.statistics import Statistics


class Split(Protocol):
    """One part of a dataset.

    Attributes:
        count: number of examples, which is one epoch.
        skipped: names of the files that could not be read so far; their examples have weight 0.
        names: name of each example as the user knows it, e.g. its path; None if unknown without reading the images.
        labels: int64 (count,); None if unknown without reading the images.
    """

    count: int
    skipped: set[str]

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
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    statistics: Statistics | None = None


def name_of(split: Split, part: str, index: int) -> str:
    """The name of an example: its own, or `part` and its index."""
    return split.names[index] if split.names is not None else f"{part} {index}"
