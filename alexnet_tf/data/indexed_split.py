"""A split whose examples can be loaded in any order."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.sampling import Crop, Sampler

Example = dict[str, tf.Tensor]


@dataclasses.dataclass
class IndexedSplit:
    """A `sources.Split` whose examples can be loaded in any order.

    Attributes:
        count: number of examples.
        load: from one example of `fetch`, with its crop's `offset`, and a `Crop`, to a dict of `image`, `label` and
            `weight`; runs inside `tf.data.Dataset.map`.
        fetch: from int64 indices (size,) to a dict of tensors (size, …); runs inside `tf.data.Dataset.map`, once per
            step.
        skipped: filled by `load`.
    """

    count: int
    load: Callable[[Example, Crop], Example]
    fetch: Callable[[tf.Tensor], Example] = lambda indices: {"index": indices}
    skipped: set[str] = dataclasses.field(default_factory=set)

    @property
    def names(self) -> Sequence[str] | None:
        """See `Split.names`."""
        return None

    @property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """See `Split.labels`."""
        return None

    def read(self, sampler: Sampler, crop: Crop) -> tf.data.Dataset:
        """See `Split.read`."""

        def fetch(step: tf.Tensor) -> Example:
            return {**self.fetch(sampler.indices(step, self.count)), "offset": crop.of_step(step, sampler)}

        examples = sampler.dataset().map(fetch, tf.data.AUTOTUNE).unbatch()
        loaded = examples.map(lambda example: self.load(example, crop), tf.data.AUTOTUNE)
        return loaded.batch(sampler.size, drop_remainder=True)
