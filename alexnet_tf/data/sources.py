"""Where images come from: the interface over drawn figures, folders of files, and TFDS."""

import dataclasses
import typing

import tensorflow as tf


class Split(typing.Protocol):
    """One part of a dataset.

    Attributes:
        count: the number of examples, one epoch.
        skipped: files that could not be read so far, by name; training goes on without them.
    """

    count: int
    skipped: set

    def examples(self, start, seed):
        """Streams examples without end, epoch after epoch, each example once an epoch.

        The order is a function of (seed, epoch, index): any `start` gives the same stream as skipping would.

        Args:
            start: position of the first example; `position // count` is the epoch, from 0.
            seed: non-negative int that orders each epoch differently, or None for the set's own order.

        Returns:
            A `tf.data.Dataset` of dicts: `image` uint8 (height, width, 3), `label` int64, `weight` float32 (1, or
            0 where the image could not be read and counts for nothing) and `position` int64.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An image classification set.

    Attributes:
        name: as given, e.g. `folder:photos`.
        class_names: tuple of str; a label is an index into it.
        train: `Split` to learn from.
        validation: `Split` held out.
    """

    name: str
    class_names: tuple
    train: Split
    validation: Split


@dataclasses.dataclass(frozen=True)
class IndexedSplit:
    """A split whose examples can be loaded in any order.

    Attributes:
        count: number of examples.
        load: from an int64 index tensor to a dict of `image`, `label` and `weight`, usable in `tf.data.map`.
        skipped: filled by `load`.
    """

    count: int
    load: typing.Callable
    skipped: set = dataclasses.field(default_factory=set)

    def examples(self, start, seed):
        """See `Split.examples`."""

        def load(position):
            epoch, index = position // self.count, position % self.count
            if seed is not None:
                index = tf.random.experimental.index_shuffle(index, [seed, epoch], self.count - 1)
            return {**self.load(index), "position": position}

        return tf.data.Dataset.range(start, tf.int64.max).map(load, tf.data.AUTOTUNE)
