"""Which examples of a split are read at each step, and which crop of each image."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from alexnet_tf.data.images import ResizeCrop


@dataclasses.dataclass(frozen=True)
class Sampler:
    """The examples of each step, epoch after epoch.

    The example at any position of the endless order depends only on (seed, epoch, index), so reading can begin at any
    step.

    Attributes:
        batch_size: the global batch size; step s reads the positions from s * batch_size on.
        steps: the steps to read.
        seed: non-negative int that shuffles each epoch differently; None for the split's own order.
        part: (start, stop), the part of each global batch that this worker reads; the whole batch if not given.
    """

    batch_size: int
    steps: range
    seed: int | None = None
    part: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "part", self.part or (0, self.batch_size))

    @property
    def size(self) -> int:
        """Examples per step that this worker reads."""
        return self.part[1] - self.part[0]

    def dataset(self) -> tf.data.Dataset:
        """The steps as int64 scalars."""
        return tf.data.Dataset.range(self.steps.start, self.steps.stop)

    def positions(self, step: tf.Tensor) -> tf.Tensor:
        """This worker's positions in a step: int64 (size,); `position // count` is the epoch, from 0."""
        return step * self.batch_size + tf.range(*self.part, dtype=tf.int64)

    def indices(self, step: tf.Tensor, count: int) -> tf.Tensor:
        """The indices of a step's examples among the `count` of a split: int64 (size,)."""
        positions = self.positions(step)
        indices = positions % count
        if self.seed is None:
            return indices
        epochs = positions // count
        seeds = tf.stack(
            [tf.fill([self.size], tf.constant(self.seed, tf.int64)), epochs, tf.zeros_like(epochs)], axis=1
        )
        # The raw operation, because `tf.random.experimental.index_shuffle` takes only one seed for all indices.
        return tf.raw_ops.RandomIndexShuffle(index=indices, seed=seeds, max_index=count - 1)


@dataclasses.dataclass(frozen=True)
class Crop:
    """Which crop of each image is read.

    Attributes:
        resize_crop: the sizes.
        offsets: from a step, an int64 scalar, to float32 (batch_size, 2): the crop offsets of the global batch (see
            `images.crop_from_pixels`). None for the central crop.
        exact: False allows JPEG files to be resized faster and less exactly (see `file_crop.crop_from_file`).
    """

    resize_crop: ResizeCrop
    offsets: Callable[[tf.Tensor], tf.Tensor] | None = None
    exact: bool = True

    def of_step(self, step: tf.Tensor, sampler: Sampler) -> tf.Tensor:
        """The crop offsets of this worker's examples in a step: float32 (size, 2)."""
        if self.offsets is None:
            return tf.fill([sampler.size, 2], self.resize_crop.center_offset)
        return self.offsets(step)[slice(*sampler.part)]


@dataclasses.dataclass(frozen=True)
class Shard:
    """The replicas of a training run that one worker feeds.

    Attributes:
        replicas: number of replicas of all workers.
        first: the first replica of this worker.
        count: number of replicas of this worker.
    """

    replicas: int = 1
    first: int = 0
    count: int = 1

    @classmethod
    def of(cls, context: tf.distribute.InputContext) -> "Shard":
        """The shard of the worker that an input context is for."""
        count = context.num_replicas_in_sync // context.num_input_pipelines
        return cls(context.num_replicas_in_sync, context.input_pipeline_id * count, count)

    def parts(self, batch_size: int) -> list[tuple[int, int]]:
        """The part of a global batch that each of the worker's replicas takes: (start, stop)."""
        numbers = range(self.first, self.first + self.count)
        return [(batch_size * n // self.replicas, batch_size * (n + 1) // self.replicas) for n in numbers]
