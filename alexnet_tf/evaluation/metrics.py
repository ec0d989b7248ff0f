"""Top-1 error, top-5 error and loss, as sums that batches and replicas add up to."""

import dataclasses
from typing import NamedTuple

import tensorflow as tf


class Sums(NamedTuple):
    """Sums over examples, each a float64 scalar.

    Attributes:
        top1_correct, top5_correct: examples whose label is the most probable class, or among the five most probable.
        loss: negative log-likelihood in nats.
        examples: how many examples count.
    """

    top1_correct: float
    top5_correct: float
    loss: float
    examples: float

    def metrics(self, views: int = 1) -> "Metrics":
        """The means over the examples; all NaN if there are none."""
        top1_correct, top5_correct, loss, examples = map(float, self)
        count = examples or float("nan")
        return Metrics(1 - top1_correct / count, 1 - top5_correct / count, loss / count, int(examples), views)


@dataclasses.dataclass(frozen=True)
class Metrics:
    """The result of one pass over a split.

    Attributes:
        top1_error, top5_error: fractions in [0, 1]. With fewer than five classes, top-5 means all of them.
        loss: mean negative log-likelihood in nats.
        examples: how many images were counted.
        views: views of each image whose probabilities were averaged, 1 or 10.
    """

    top1_error: float
    top5_error: float
    loss: float
    examples: int
    views: int


def batch_sums(probabilities: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The `Sums` of a batch as one float64 tensor (4,), in the order of its fields, so that they add up as vectors.

    Args:
        probabilities: float32 (batch, classes).
        labels: int64 (batch,).
        weights: float32 (batch,), 0 for examples that do not count.
    """
    classes = probabilities.shape[-1]
    top1 = tf.math.in_top_k(labels, probabilities, 1)
    top5 = tf.math.in_top_k(labels, probabilities, min(5, classes))
    likelihood = tf.gather(probabilities, labels, axis=1, batch_dims=1)
    rows = [tf.cast(top1, tf.float64), tf.cast(top5, tf.float64), -tf.math.log(tf.cast(likelihood, tf.float64) + 1e-30)]
    rows.append(tf.ones_like(rows[0]))
    return tf.linalg.matvec(tf.stack(rows), tf.cast(weights, tf.float64))
