"""From a split to batches. Images stay uint8 until batched; what changes colours acts on whole batches."""

import dataclasses

import tensorflow as tf

from alexnet_tf.data import images as image_functions


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Sizes in pixels: the shorter side is resized to `resize`, the centre cut to a square, `crop` of it is used."""

    resize: int
    crop: int


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What training varies; each draw is a function of (seed, epoch, index). Section 4.1 of the paper."""

    random_crop: bool = True
    flip: bool = True
    colour_noise: bool = True


def training_batches(split, classes, batch_size, geometry, augmentation, seed, start_step=0):
    """Streams shuffled training batches without end, from the first batch of `start_step` on.

    Args:
        split: an `alexnet_tf.data.sources.Split`.
        classes: number of classes; a label outside [0, classes) is an error.
        batch_size: the global batch.
        geometry: `Geometry`.
        augmentation: `Augmentation`.
        seed: non-negative int.
        start_step: batches to leave out, without reading them where the split allows it.

    Returns:
        A `tf.data.Dataset` of dicts: `image` uint8 (batch, crop, crop, 3), `label` int64 (batch,), `weight`
        float32 (batch,) with 0 for images that could not be read, `flip` bool (batch,), and `colour` float32
        (batch, 3), the strengths of the colour noise.
    """

    def prepare(example):
        position = tf.cast(example["position"], tf.int32)
        seeds = [tf.random.experimental.stateless_fold_in([seed, purpose], position) for purpose in range(3)]
        square = _square(example["image"], geometry.resize)
        if augmentation.random_crop:
            image = image_functions.random_crop(square, geometry.crop, seeds[0])
        else:
            image = image_functions.central_crop(square, geometry.crop)
        return {
            "image": tf.ensure_shape(image, [geometry.crop, geometry.crop, 3]),
            "label": _checked_label(example, classes),
            "weight": example["weight"],
            "flip": image_functions.random_flip(seeds[1]) & augmentation.flip,
            "colour": image_functions.random_colour(seeds[2]) * float(augmentation.colour_noise),
        }

    examples = split.examples(start_step * batch_size, seed)
    batches = examples.map(prepare, tf.data.AUTOTUNE).batch(batch_size, drop_remainder=True)
    return _in_order(batches.prefetch(tf.data.AUTOTUNE))


def evaluation_batches(split, classes, batch_size, geometry, whole_square=False):
    """One pass over a split in its own order; the last batch is filled up with examples of weight 0.

    Args:
        split, classes, batch_size, geometry: as for `training_batches`.
        whole_square: True for the central `resize` by `resize` square (from which ten views are cut), False for
            the central crop.

    Returns:
        A finite `tf.data.Dataset` of dicts: `image` uint8 (batch, side, side, 3), `label` int64 (batch,) and
        `weight` float32 (batch,).
    """
    side = geometry.resize if whole_square else geometry.crop
    batches = -(-split.count // batch_size)

    def prepare(example):
        image = image_functions.central_crop(_square(example["image"], geometry.resize), side)
        counts = tf.cast(example["position"] < split.count, tf.float32)
        return {
            "image": tf.ensure_shape(image, [side, side, 3]),
            "label": _checked_label(example, classes),
            "weight": example["weight"] * counts,
        }

    examples = split.examples(0, None).take(batches * batch_size)
    dataset = examples.map(prepare, tf.data.AUTOTUNE).batch(batch_size, drop_remainder=True)
    return _in_order(dataset.prefetch(tf.data.AUTOTUNE))


def _square(image, resize):
    return image_functions.central_crop(image_functions.resize_shorter_side(image, resize), resize)


def _checked_label(example, classes):
    label = example["label"]
    message = f"labels must be in [0, {classes}), the classes of the network. Received:"
    with tf.control_dependencies([tf.debugging.Assert((label >= 0) & (label < classes), [message, label])]):
        return tf.identity(label)


def _in_order(dataset):
    """Every replica count and every restart must see the same batches, so nothing may overtake."""
    options = tf.data.Options()
    options.deterministic = True
    # One worker reads everything; the strategy splits each global batch among its replicas.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
