"""From a split to batches. Images stay uint8 until batched; what changes colors acts on whole batches."""

import dataclasses

import tensorflow as tf

from alexnet_tf.data import images as image_functions
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.sources import Crop, Sampler


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What training varies. Section 4.1 of the paper.

    Attributes:
        random_crop, flip, color_noise: whether windows are random, half of the images mirrored, colors shifted.
        crop_group_size: consecutive images of a batch that share one window and one flip (32 in `convdata_jpeg.py` of
            the 2012 code).
    """

    random_crop: bool = True
    flip: bool = True
    color_noise: bool = True
    crop_group_size: int = 1


@dataclasses.dataclass(frozen=True)
class Shard:
    """Which replicas of a training run read through this pipeline.

    Attributes:
        replicas: how many there are in the run, over all workers.
        first, count: those that this worker feeds.
    """

    replicas: int = 1
    first: int = 0
    count: int = 1

    @classmethod
    def of(cls, context):
        """The shard of a `tf.distribute.InputContext`."""
        count = context.num_replicas_in_sync // context.num_input_pipelines
        return cls(context.num_replicas_in_sync, context.input_pipeline_id * count, count)

    def parts(self, batch_size):
        """The part of a global batch that each of these replicas takes: a list of (first, last)."""
        numbers = range(self.first, self.first + self.count)
        return [(batch_size * n // self.replicas, batch_size * (n + 1) // self.replicas) for n in numbers]


# Nothing of a pipeline is Python's control flow over tensors; to look for it takes longer than to trace the rest.
@tf.autograph.experimental.do_not_convert
def training_batches(split, classes, batch_size, resize_crop, augmentation, seed, steps, shard=Shard()):  # noqa: B008
    """Streams shuffled training batches.

    Args:
        split: an `alexnet_tf.data.sources.Split`.
        classes: number of classes; a label outside [0, classes) is an error.
        batch_size: the global batch.
        resize_crop: `ResizeCrop`.
        augmentation: `Augmentation`; its draws depend on (seed, step) and the place in the global batch alone.
        seed: non-negative int.
        steps: `range` of steps; what lies before is left out, without reading it where the split allows it.
        shard: `Shard`.

    Returns:
        A `tf.data.Dataset` of dicts, one for each of the shard's replicas in turn, step after step: `image` uint8
        (batch, crop, crop, 3), `label` int64 (batch,), `weight` float32 (batch,) with 0 for images that could not be
        read, `flip` bool (batch,), and `color` float32 (batch, 3), the strengths of the color noise.
    """
    parts = shard.parts(batch_size)
    sampler = Sampler(batch_size, steps, seed, (parts[0][0], parts[-1][1]))
    draws = _Draws(seed, batch_size, augmentation)

    def complete(step, batch):
        part = slice(*sampler.part)
        varied = {"flip": draws.flips(step)[part], "color": draws.colors(step)[part]}
        return {**batch, **varied, "label": _checked_labels(batch["label"], classes)}

    crop = Crop(resize_crop, draws.offsets if augmentation.random_crop else None, exact=False)
    dataset = tf.data.Dataset.zip(sampler.dataset(), split.read(sampler, crop)).map(complete)
    return _in_order(_divided(dataset, parts))


class _Draws:
    """The random numbers of training's steps, each for the whole global batch."""

    def __init__(self, seed, batch_size, augmentation):
        self.seed, self.batch_size, self.augmentation = seed, batch_size, augmentation

    def _seed(self, purpose, step):
        return tf.random.experimental.stateless_fold_in([self.seed, purpose], step)

    def _for_groups(self, purpose, step, *shape):
        """Uniform numbers in [0, 1), the same for all images of a group."""
        group = self.augmentation.crop_group_size
        drawn = tf.random.stateless_uniform([-(-self.batch_size // group), *shape], self._seed(purpose, step))
        return tf.repeat(drawn, group, axis=0)[: self.batch_size]

    def offsets(self, step):
        return self._for_groups(0, step, 2)

    def flips(self, step):
        return (self._for_groups(1, step) < 0.5) & self.augmentation.flip

    def colors(self, step):
        """From N(0, 0.1²): section 4.1."""
        drawn = tf.random.stateless_normal([self.batch_size, 3], self._seed(2, step), stddev=0.1)
        return drawn * float(self.augmentation.color_noise)


# Compiled into one loop over the batch: operation by operation, each would pass it through memory once more, which on a
# CPU costs more than decoding prepared images does.
@tf.function(jit_compile=True)
def network_input(batch, mean, color_pca=None, divisor=1.0):
    """Turns a training batch into the network's input: flip, mean, color noise. Runs on the device.

    Args:
        batch: one dict of `training_batches`.
        mean: as for `images.subtract_mean`.
        color_pca: (eigenvalues, eigenvectors) of the colors, or None for no noise.
        divisor: what the input with its noise is divided by; 1.1 in the 2012 code (`convdata_jpeg.py`).

    Returns:
        float32 (batch, crop, crop, 3).
    """
    images = image_functions.flip(batch["image"], batch["flip"])
    images = image_functions.subtract_mean(images, mean)
    return (
        images if color_pca is None else image_functions.add_color_noise(images, batch["color"], *color_pca) / divisor
    )


@tf.autograph.experimental.do_not_convert
def evaluation_batches(
    split,
    classes,
    batch_size,
    resize_crop,
    whole_square=False,
    count=None,
    seed=None,
    shard=Shard(),  # noqa: B008
):
    """One pass over a split; the last batch is filled up with examples of weight 0.

    Args:
        split, classes, batch_size, resize_crop: as for `training_batches`.
        whole_square: True for the central `resize` by `resize` square (from which ten views are cut), False for
            the central crop.
        count: how many examples; all if not given.
        seed: non-negative int for training's order of its first epoch, None for the set's own.
        shard: as for `training_batches`.

    Returns:
        A finite `tf.data.Dataset` of dicts, one for each of the shard's replicas in turn, batch after batch: `image`
        uint8 (batch, side, side, 3), `label` int64 (batch,) and `weight` float32 (batch,).
    """
    count = min(count or split.count, split.count)
    if whole_square:
        resize_crop = ResizeCrop(resize_crop.resize, resize_crop.resize)
    parts = shard.parts(batch_size)
    sampler = Sampler(batch_size, range(-(-count // batch_size)), seed, (parts[0][0], parts[-1][1]))

    def complete(step, batch):
        counts = tf.cast(sampler.positions(step) < count, tf.float32)
        return {**batch, "weight": batch["weight"] * counts, "label": _checked_labels(batch["label"], classes)}

    batches = tf.data.Dataset.zip(sampler.dataset(), split.read(sampler, Crop(resize_crop))).map(complete)
    return _in_order(_divided(batches, parts))


def _divided(batches, parts):
    """Batches cut into their parts, one after the other."""
    return batches.rebatch([last - first for first, last in parts]) if len(parts) > 1 else batches


def with_threads(dataset, threads):
    """The dataset with that many threads of its own; unchanged, on threads that all share, if None."""
    options = tf.data.Options()
    if threads:
        options.threading.private_threadpool_size = threads
    return dataset.with_options(options)


def _checked_labels(labels, classes):
    message = f"labels must be in [0, {classes}), the classes of the network. Received:"
    odd = tf.boolean_mask(labels, (labels < 0) | (labels >= classes))
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(tf.size(odd), 0), [message, odd])]):
        return tf.identity(labels)


def _in_order(dataset):
    """Every replica count and every restart must see the same batches, so nothing may overtake."""
    options = tf.data.Options()
    options.deterministic = True
    # A worker reads its own shard; nothing is left to be divided.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
