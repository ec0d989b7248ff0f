"""The examples of a validation that a network gets most wrong."""

import numpy as np
import tensorflow as tf

from alexnet_tf.plotting.answers import Prediction

COUNT = 8


class HardestExamples:
    """Keeps the wrong predictions of a validation in which the true class had the lowest probability.

    Pass it to an `Evaluator` as `watch`.

    Args:
        count: how many to keep.

    Attributes:
        predictions: the wrong predictions, the lowest probability of the true class first.
    """

    def __init__(self, count: int = COUNT) -> None:
        self._count = count
        self.predictions: list[Prediction] = []

    def __call__(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, probabilities: tf.Tensor) -> None:
        """Takes in a batch.

        Args:
            images: uint8 (batch, side, side, 3).
            labels: int64 (batch,).
            weights: float32 (batch,), 0 for examples that do not count.
            probabilities: float32 (batch, classes).
        """
        labels, weights, probabilities = (tensor.numpy() for tensor in (labels, weights, probabilities))
        likelihood = probabilities[np.arange(len(labels)), labels]
        wrong = (likelihood < probabilities.max(axis=1)) & (weights > 0)
        order = np.argsort(np.where(wrong, likelihood, np.inf), kind="stable")[: min(self._count, wrong.sum())]
        batch = [Prediction(images[i].numpy(), int(labels[i]), probabilities[i]) for i in order]
        ranked = sorted(self.predictions + batch, key=lambda prediction: prediction.probabilities[prediction.label])
        self.predictions = ranked[: self._count]
