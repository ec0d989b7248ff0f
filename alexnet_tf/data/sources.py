"""Where images come from: the interface over drawn figures, files in folders and tars, prepared records, and TFDS."""

import dataclasses
import typing

import numpy as np
import tensorflow as tf

from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.statistics import Statistics


@dataclasses.dataclass(frozen=True)
class Sampler:
    """Which examples are read, step by step, epoch after epoch.

    The example at a position of the endless order depends on (seed, epoch, index) alone: any step can be the first.

    Attributes:
        batch_size: the global batch; step s holds the positions from s * batch_size on.
        steps: `range` of the steps to read.
        seed: non-negative int that orders each epoch differently, or None for the set's own order.
        part: (first, last): the part of each global batch that this worker reads; last is excluded.
    """

    batch_size: int
    steps: range
    seed: int | None = None
    part: tuple = ()

    def __post_init__(self):
        object.__setattr__(self, "part", self.part or (0, self.batch_size))

    @property
    def size(self):
        """Examples a step that this worker reads."""
        return self.part[1] - self.part[0]

    def dataset(self):
        """The steps as a `tf.data.Dataset` of int64 scalars."""
        return tf.data.Dataset.range(self.steps.start, self.steps.stop)

    def positions(self, step):
        """This worker's positions in a step: int64 (size,); `position // count` is the epoch, from 0."""
        return step * self.batch_size + tf.range(*self.part, dtype=tf.int64)

    def indices(self, step, count):
        """The indices of a step's examples among the `count` of a split: int64 (size,)."""
        positions = self.positions(step)
        indices = positions % count
        if self.seed is None:
            return indices
        epochs = positions // count
        seeds = tf.stack(
            [tf.fill([self.size], tf.constant(self.seed, tf.int64)), epochs, tf.zeros_like(epochs)], axis=1
        )
        # The raw operation: `tf.random.experimental.index_shuffle` refuses a seed for each index.
        return tf.raw_ops.RandomIndexShuffle(index=indices, seed=seeds, max_index=count - 1)


@dataclasses.dataclass(frozen=True)
class Crop:
    """Which window is cut out of each image.

    Attributes:
        resize_crop: `ResizeCrop`.
        offsets: from a step, a scalar int64, to float32 (batch size, 2), the offsets of all windows of the global
            batch (see `images.crop_from_pixels`); None for the center.
        exact: False takes JPEG files' quicker way down (see `files.crop_from_file`).
    """

    resize_crop: ResizeCrop
    offsets: typing.Callable | None = None
    exact: bool = True

    def of_step(self, step, sampler):
        """The offsets of this worker's windows in a step: float32 (size, 2)."""
        if self.offsets is None:
            return tf.fill([sampler.size, 2], self.resize_crop.center_offset)
        return self.offsets(step)[slice(*sampler.part)]


class Split(typing.Protocol):
    """One part of a dataset.

    Attributes:
        count: the number of examples, one epoch.
        skipped: files that could not be read so far, by name; training goes on without them.
        names, labels: what the user would call each example, and int64 (count,), where they are known without reading
            the images; else None.
    """

    count: int
    skipped: set
    names: list | None
    labels: np.ndarray | None

    def read(self, sampler, crop):
        """Streams windows of images.

        Args:
            sampler: `Sampler`.
            crop: `Crop`.

        Returns:
            A `tf.data.Dataset` with one element a step of dicts: `image` uint8 (size, crop, crop, 3), `label`
            int64 (size,), and `weight` float32 (size,): 1, or 0 where the image could not be read and counts for
            nothing.
        """
        ...

    def originals(self, start, stop):
        """Iterates over examples `start` to `stop` of the set's own order as `Original`s, for `prepare`.

        Only splits of image files have it.
        """
        ...


def name_of(split, part, index):
    """What the user would call an example of a `Split`: its file, or its place in the `part`."""
    return split.names[index] if split.names is not None else f"{part} {index}"


@dataclasses.dataclass(frozen=True)
class Original:
    """One example as it came.

    Attributes:
        name: what the user would call it: a path, a member of a tar.
        label: int.
        read: returns the image file's bytes; raises OSError.
    """

    name: str
    label: int
    read: typing.Callable


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An image classification set.

    Attributes:
        name: as given, e.g. `folder:photos`.
        class_names: tuple of str; a label is an index into it.
        train: `Split` to learn from.
        validation: `Split` held out.
        statistics: `Statistics` of the training images where they are known already.
    """

    name: str
    class_names: tuple
    train: Split
    validation: Split
    statistics: Statistics | None = None


@dataclasses.dataclass
class IndexedSplit:
    """A split whose examples can be loaded in any order.

    Attributes:
        count: number of examples.
        load: from one example of what `fetch` gave, with its window's `place`, and a `Crop`, to a dict of `image`,
            `label` and `weight`; runs in `tf.data.map`.
        fetch: from int64 indices (size,) to a dict of tensors (size, …); runs in `tf.data.map`, a step at a time.
        skipped: filled by `load`.
        names, labels: see `Split`; a subclass that knows them says so.
    """

    names = None
    labels = None

    count: int
    load: typing.Callable
    fetch: typing.Callable = lambda indices: {"index": indices}
    skipped: set = dataclasses.field(default_factory=set)

    def read(self, sampler, crop):
        """See `Split.read`."""

        def fetch(step):
            return {**self.fetch(sampler.indices(step, self.count)), "offset": crop.of_step(step, sampler)}

        examples = sampler.dataset().map(fetch, tf.data.AUTOTUNE).unbatch()
        loaded = examples.map(lambda example: self.load(example, crop), tf.data.AUTOTUNE)
        return loaded.batch(sampler.size, drop_remainder=True)
