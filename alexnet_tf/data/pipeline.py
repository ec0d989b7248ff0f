"""From a split to batches of uint8 images."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.augmentation import Augmentation, Draws
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.sampling import Crop, Sampler, Shard
from alexnet_tf.data.sources import Split

WHOLE = Shard()

Batch = dict[str, tf.Tensor]


# The pipeline has no Python control flow over tensors, and searching for it takes longer than tracing.
@tf.autograph.experimental.do_not_convert
def training_batches(
    split: Split,
    classes: int,
    batch_size: int,
    resize_crop: ResizeCrop,
    augmentation: Augmentation,
    seed: int,
    steps: range,
    shard: Shard = WHOLE,
) -> tf.data.Dataset:
    """Streams shuffled training batches.

    Args:
        split: the training set.
        classes: number of classes; a label outside [0, classes) is an error.
        batch_size: the global batch size.
        resize_crop: sizes of the images.
        augmentation: its draws depend only on the seed, the step and the position in the global batch.
        seed: non-negative int.
        steps: the steps to read; examples before them are not read, if the split can skip them.
        shard: the replicas to read for.

    Returns:
        A dataset of dicts, one for each of the shard's replicas in turn, step after step: `image` uint8 (batch, crop,
        crop, 3), `label` int64 (batch,), `weight` float32 (batch,), 0 for undecodable images, `flip` bool (batch,),
        and `color` float32 (batch, 3), the strengths of the color noise.
    """
    parts = shard.parts(batch_size)
    sampler = Sampler(batch_size, steps, seed, (parts[0][0], parts[-1][1]))
    draws = Draws(seed, batch_size, augmentation)

    def complete(step: tf.Tensor, batch: Batch) -> Batch:
        part = slice(*sampler.part)
        varied = {"flip": draws.flips(step)[part], "color": draws.colors(step)[part]}
        return {**batch, **varied, "label": _checked_labels(batch["label"], classes)}

    crop = Crop(resize_crop, draws.offsets if augmentation.random_crop else None, exact=False)
    dataset = tf.data.Dataset.zip(sampler.dataset(), split.read(sampler, crop)).map(complete)
    return _in_order(_divided(dataset, parts))


@tf.autograph.experimental.do_not_convert
def evaluation_batches(
    split: Split,
    classes: int,
    batch_size: int,
    resize_crop: ResizeCrop,
    whole_square: bool = False,
    count: int | None = None,
    seed: int | None = None,
    shard: Shard = WHOLE,
) -> tf.data.Dataset:
    """Reads a split once; the last batch is filled up with examples of weight 0.

    Args:
        split, classes, batch_size, resize_crop: as for `training_batches`.
        whole_square: True for the central square of side `resize`, from which ten views can be cropped; False for the
            central crop.
        count: number of examples to read; all if not given.
        seed: non-negative int for the order of training's first epoch; None for the split's own order.
        shard: as for `training_batches`.

    Returns:
        A finite dataset of dicts, one for each of the shard's replicas in turn, batch after batch: `image` uint8
        (batch, side, side, 3), `label` int64 (batch,) and `weight` float32 (batch,).
    """
    count = min(count or split.count, split.count)
    if whole_square:
        resize_crop = ResizeCrop(resize_crop.resize, resize_crop.resize)
    parts = shard.parts(batch_size)
    sampler = Sampler(batch_size, range(-(-count // batch_size)), seed, (parts[0][0], parts[-1][1]))

    def complete(step: tf.Tensor, batch: Batch) -> Batch:
        within = tf.cast(sampler.positions(step) < count, tf.float32)
        return {**batch, "weight": batch["weight"] * within, "label": _checked_labels(batch["label"], classes)}

    batches = tf.data.Dataset.zip(sampler.dataset(), split.read(sampler, Crop(resize_crop))).map(complete)
    return _in_order(_divided(batches, parts))


class Examples(NamedTuple):
    """A batch of readable examples.

    Attributes:
        images: uint8 (examples, side, side, 3).
        labels: int64 (examples,).
        indices: int64 (examples,), the index of each example in the split.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]


def read_split(
    split: Split,
    classes: int,
    batch_size: int,
    resize_crop: ResizeCrop,
    whole_square: bool = False,
    count: int | None = None,
    seed: int | None = None,
) -> Iterator[Examples]:
    """Reads a split once and yields the readable examples of each batch, which may be none.

    Args:
        split, classes, batch_size, resize_crop, whole_square, count, seed: as for `evaluation_batches`.
    """
    count = min(count or split.count, split.count)
    sampler = Sampler(batch_size, range(-(-count // batch_size)), seed)
    batches = evaluation_batches(split, classes, batch_size, resize_crop, whole_square, count, seed)
    for step, batch in enumerate(batches):
        readable = batch["weight"].numpy() > 0
        indices = sampler.indices(tf.constant(step, tf.int64), split.count).numpy()
        yield Examples(*(column[readable] for column in (batch["image"].numpy(), batch["label"].numpy(), indices)))


def with_threads(dataset: tf.data.Dataset, threads: int | None) -> tf.data.Dataset:
    """The dataset with that many threads of its own; with None, on TensorFlow's shared threads."""
    options = tf.data.Options()
    if threads:
        options.threading.private_threadpool_size = threads
    return dataset.with_options(options)


def _divided(batches: tf.data.Dataset, parts: list[tuple[int, int]]) -> tf.data.Dataset:
    """Splits each batch into the parts of the replicas, one after the other."""
    return batches.rebatch([last - first for first, last in parts]) if len(parts) > 1 else batches


def _checked_labels(labels: tf.Tensor, classes: int) -> tf.Tensor:
    message = f"labels must be in [0, {classes}), the classes of the network. Received:"
    wrong = tf.boolean_mask(labels, (labels < 0) | (labels >= classes))
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(tf.size(wrong), 0), [message, wrong])]):
        return tf.identity(labels)


def _in_order(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Keeps the order of batches, so that they are the same for any number of replicas and after a restart."""
    options = tf.data.Options()
    options.deterministic = True
    # Each worker already reads only its own shard.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
