"""Several splits as one, e.g. all of a dataset, to evaluate a network on."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.sampling import Crop, Sampler
from alexnet_tf.data.sources import Split


class JoinedSplit:
    """A `sources.Split` of the examples of other splits, one split after the other, which can only be read in order.

    Args:
        splits: the others.
    """

    def __init__(self, splits: Sequence[Split]) -> None:
        self._splits = splits
        self.count = sum(split.count for split in splits)

    @property
    def skipped(self) -> set[str]:
        """See `Split.skipped`."""
        return set().union(*(split.skipped for split in self._splits))

    @functools.cached_property
    def names(self) -> Sequence[str] | None:
        """See `Split.names`."""
        names = [split.names for split in self._splits]
        return None if None in names else [name for part in names for name in part or ()]

    @functools.cached_property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """See `Split.labels`."""
        labels = [split.labels for split in self._splits if split.labels is not None]
        return np.concatenate(labels) if len(labels) == len(self._splits) else None

    def read(self, sampler: Sampler, crop: Crop) -> tf.data.Dataset:
        """See `Split.read`.

        Raises:
            ValueError: if the order or the crops are to be random.
        """
        if sampler.seed is not None or crop.offsets is not None:
            raise ValueError("joined splits can be read in order only, with central crops")
        size, examples = sampler.batch_size, []
        for split in self._splits:
            steps = range(-(-split.count // size))
            examples.append(split.read(Sampler(size, steps), crop).unbatch().take(split.count))
        # As any split, it begins again after its last example, to fill up the last batch.
        joined = functools.reduce(lambda one, other: one.concatenate(other), examples).repeat()
        batches = joined.skip(sampler.steps.start * size).batch(size, drop_remainder=True).take(len(sampler.steps))
        part = slice(*sampler.part)
        return batches.map(lambda batch: {name: column[part] for name, column in batch.items()})
