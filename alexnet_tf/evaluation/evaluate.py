"""Top-1 and top-5 error, over the centre view or the paper's ten, exact for any batch size."""

import dataclasses

import tensorflow as tf

from alexnet_tf.data import images as image_functions
from alexnet_tf.data import pipeline


@dataclasses.dataclass(frozen=True)
class Result:
    """Of one pass over a split.

    Attributes:
        top1_error, top5_error: shares in [0, 1]; top-5 is top-k for k the number of classes where that is lower.
        loss: mean negative log-likelihood in nats.
        examples: how many were counted.
        views: 1 or 10.
    """

    top1_error: float
    top5_error: float
    loss: float
    examples: int
    views: int


def evaluate(model, split, classes, geometry, mean, batch_size=64, views=1, progress=lambda count: None):
    """Evaluates a network on a split, every example counted once.

    Args:
        model: `keras.Model` from (batch, crop, crop, 3) to probabilities (batch, classes).
        split: an `alexnet_tf.data.sources.Split`.
        classes: number of classes.
        geometry: `alexnet_tf.data.images.Geometry`.
        mean: what is subtracted, (crop, crop, 3) or (3,).
        batch_size: images at a time.
        views: 1 for the centre, 10 for section 4.1's ten views, whose probabilities are averaged.
        progress: called after each batch with the number of examples so far.

    Returns:
        `Result`.

    Raises:
        ValueError: if `views` is neither, or no example could be read.
    """
    if views not in (1, image_functions.VIEWS):
        raise ValueError(f"views must be 1 or 10. Received: views={views}")
    step = _step(model, classes, geometry, tf.constant(mean), views)
    totals = tf.zeros([4], tf.float64)
    batches = pipeline.evaluation_batches(split, classes, batch_size, geometry, whole_square=views > 1)
    for batch in batches:
        totals += step(batch)
        progress(int(totals[3]))
    top1, top5, loss, count = totals.numpy()
    if count == 0:
        raise ValueError("dataset has no readable example to evaluate. Received: none")
    return Result(float(1 - top1 / count), float(1 - top5 / count), float(loss / count), int(count), views)


def _step(model, classes, geometry, mean, views):
    @tf.function(jit_compile=False, reduce_retracing=True)
    def step(batch):
        images = batch["image"]
        if views > 1:
            images = tf.reshape(image_functions.ten_views(images, geometry.crop), [-1, geometry.crop, geometry.crop, 3])
        probabilities = model(image_functions.subtract_mean(images, mean), training=False)
        probabilities = tf.reduce_mean(tf.reshape(probabilities, [-1, views, classes]), axis=1)
        return sums(probabilities, batch["label"], batch["weight"])

    return step


def sums(probabilities, labels, weights):
    """Weighted sums over a batch: top-1 right, top-5 right, negative log-likelihood, weights; float64 (4,)."""
    classes = probabilities.shape[-1]
    top1 = tf.math.in_top_k(labels, probabilities, 1)
    top5 = tf.math.in_top_k(labels, probabilities, min(5, classes))
    likelihood = tf.gather(probabilities, labels, axis=1, batch_dims=1)
    rows = [tf.cast(top1, tf.float64), tf.cast(top5, tf.float64), -tf.math.log(tf.cast(likelihood, tf.float64) + 1e-30)]
    rows.append(tf.ones_like(rows[0]))
    return tf.linalg.matvec(tf.stack(rows), tf.cast(weights, tf.float64))
