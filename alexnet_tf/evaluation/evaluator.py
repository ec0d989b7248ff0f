"""Top-1 and top-5 error, over the center view or the paper's ten, exact for any batch size."""

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


class Evaluator:
    """Evaluates a network on splits, every example counted once; compiled once.

    Args:
        model: `keras.Model` from (batch, crop, crop, 3) to probabilities (batch, classes).
        classes: number of classes.
        resize_crop: `alexnet_tf.data.images.ResizeCrop`.
        mean: what is subtracted, (crop, crop, 3) or (3,).
        batch_size: images at a time, on each device.
        views: 1 for the center, 10 for section 4.1's ten views, whose probabilities are averaged.
        strategy: `tf.distribute.Strategy` of the devices that share the work; the default one if not given.
        stop_requested: float32 scalar variable of this process, 1 if it stop_requested to stop.

    Raises:
        ValueError: if `views` is neither.
    """

    def __init__(
        self, model, classes, resize_crop, mean, batch_size=64, views=1, strategy=None, stop_requested=None
    ):  # fmt: skip
        if views not in (1, image_functions.VIEWS):
            raise ValueError(f"views must be 1 or 10. Received: views={views}")
        self._model, self._classes, self._geometry, self._mean = model, classes, resize_crop, tf.constant(mean)
        self._batch_size, self._views = batch_size, views
        self._strategy = strategy or tf.distribute.get_strategy()
        self._stop_requested = tf.zeros([]) if stop_requested is None else stop_requested
        self._step = tf.function(self._global_step, autograph=False, jit_compile=False)

    def __call__(self, split, progress=lambda count, stop_requested: None, watch=None):
        """Evaluates.

        Args:
            split: an `alexnet_tf.data.sources.Split`.
            progress: called after each batch with the number of examples so far, and the sum of `stop_requested` over
                all replicas.
            watch: called with images, labels, weights and probabilities of each batch of each local replica.

        Returns:
            `Result`.

        Raises:
            ValueError: if no example could be read.
        """

        def batches_of(context):
            return pipeline.evaluation_batches(
                split, self._classes, self._batch_size * context.num_replicas_in_sync, self._geometry,
                whole_square=self._views > 1, shard=pipeline.Shard.of(context),
            )  # fmt: skip

        totals = tf.zeros([5], tf.float64)
        for batch in self._strategy.distribute_datasets_from_function(batches_of):
            found, probabilities = self._step(batch)
            totals += found
            if watch:
                columns = (batch["image"], batch["label"], batch["weight"], probabilities)
                for part in zip(*map(self._strategy.experimental_local_results, columns), strict=True):
                    watch(*part)
            progress(int(totals[3]), float(found[4]))
        top1, top5, loss, count, _ = totals.numpy()
        if count == 0:
            raise ValueError("dataset has no readable example to evaluate. Received: none")
        return Result(float(1 - top1 / count), float(1 - top5 / count), float(loss / count), int(count), self._views)

    def _global_step(self, batch):
        per_replica, probabilities = self._strategy.run(self._replica_step, args=(batch,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None), probabilities

    def _replica_step(self, batch):
        images, crop = batch["image"], self._geometry.crop
        if self._views > 1:
            images = tf.reshape(image_functions.ten_views(images, crop), [-1, crop, crop, 3])
        probabilities = self._model(image_functions.subtract_mean(images, self._mean), training=False)
        probabilities = tf.reduce_mean(tf.reshape(probabilities, [-1, self._views, self._classes]), axis=1)
        counted = sums(probabilities, batch["label"], batch["weight"])
        return tf.concat([counted, [tf.cast(self._stop_requested, tf.float64)]], axis=0), probabilities


def sums(probabilities, labels, weights):
    """Weighted sums over a batch: top-1 right, top-5 right, negative log-likelihood, weights; float64 (4,)."""
    classes = probabilities.shape[-1]
    top1 = tf.math.in_top_k(labels, probabilities, 1)
    top5 = tf.math.in_top_k(labels, probabilities, min(5, classes))
    likelihood = tf.gather(probabilities, labels, axis=1, batch_dims=1)
    rows = [tf.cast(top1, tf.float64), tf.cast(top5, tf.float64), -tf.math.log(tf.cast(likelihood, tf.float64) + 1e-30)]
    rows.append(tf.ones_like(rows[0]))
    return tf.linalg.matvec(tf.stack(rows), tf.cast(weights, tf.float64))
