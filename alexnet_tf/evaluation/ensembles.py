"""Several networks as one: the weighted mean of their probabilities."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from alexnet_tf.data import images as image_functions
from alexnet_tf.data import pipeline
from alexnet_tf.evaluation.evaluator import Result, sums

# Rounds of `searched_weights`: each raises the likelihood, the last ones by almost nothing.
SEARCH_ROUNDS = 1000


@dataclasses.dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Attributes:
        name: what the user calls it, a path.
        class_names: tuple of str.
        resize_crop: `alexnet_tf.data.images.ResizeCrop`.
        probabilities: from uint8 pixels (batch, crop, crop, 3) to float32 (batch, classes); usable in a graph.
    """

    name: str
    class_names: tuple
    resize_crop: image_functions.ResizeCrop
    probabilities: Callable


def member_of(run):
    """The `Member` of an `alexnet_tf.runs.run.Run`."""
    mean = tf.constant(run.mean)

    def probabilities(pixels):
        return run.model(image_functions.subtract_mean(pixels, mean), training=False)

    return Member(str(run.workdir), run.class_names, run.resize_crop, probabilities)


def check(members):
    """Raises ValueError if two members have different classes, or inputs of different sizes."""
    first, *others = members
    for member in others:
        if member.class_names != first.class_names:
            raise ValueError(
                f"workdir must name networks of the same classes in the same order. Received: {first.name!r} with "
                f"{_classes(first)}, {member.name!r} with {_classes(member)}"
            )
        if member.resize_crop != first.resize_crop:
            raise ValueError(
                f"workdir must name networks of the same input size. Received: {first.name!r} with "
                f"{_sides(first)}, {member.name!r} with {_sides(member)}"
            )


def _classes(member):
    return f"{len(member.class_names)} classes ({', '.join(member.class_names[:3])} …)"


def _sides(member):
    return f"{member.resize_crop.crop} pixels out of {member.resize_crop.resize}"


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What each network answered.

    Attributes:
        probabilities: float32 (networks, examples, classes).
        labels: int64 (examples,).
        views: 1 or 10.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    views: int

    def part(self, examples):
        """Those of some examples, a slice or an index."""
        return Predictions(self.probabilities[:, examples], self.labels[examples], self.views)

    def result(self, weights):
        """The `Result` of the mean with these weights, one a network; they need not add up to 1.

        Reference: `avg-valid.py` of the 2012 code; "averaging the predictions", section 6 of the paper.
        """
        mean = np.tensordot(np.asarray(weights, np.float64) / np.sum(weights), self.probabilities, axes=1)
        ones = tf.ones([len(self.labels)])
        top1, top5, loss, count = sums(tf.constant(mean, tf.float32), tf.constant(self.labels), ones).numpy()
        return Result(float(1 - top1 / count), float(1 - top5 / count), float(loss / count), int(count), self.views)


def predict(members, split, batch_size=64, views=1, progress=lambda count: None):
    """What each of several networks answers for a whole split, read once.

    Keeps 4 bytes for each network, example and class: 200 MB a network for ImageNet's validation set.

    Args:
        members: list of `Member`, which `check` has passed.
        split: `alexnet_tf.data.sources.Split`.
        batch_size: images at a time.
        views: 1 for the center, 10 for section 4.1's ten views, whose probabilities are averaged.
        progress: called after each batch with the number of examples so far.

    Returns:
        `Predictions`; examples that cannot be read are left out.

    Raises:
        ValueError: if no example could be read.
    """
    resize_crop, classes = members[0].resize_crop, len(members[0].class_names)

    @tf.function(jit_compile=False)
    def answers(images):
        if views > 1:
            images = tf.reshape(
                image_functions.ten_views(images, resize_crop.crop), [-1, resize_crop.crop, resize_crop.crop, 3]
            )
        found = tf.stack([member.probabilities(images) for member in members])
        return tf.reduce_mean(tf.reshape(found, [len(members), -1, views, classes]), axis=2)

    probabilities, labels = [], []
    for batch in pipeline.evaluation_batches(split, classes, batch_size, resize_crop, whole_square=views > 1):
        counts = batch["weight"].numpy() > 0
        probabilities.append(answers(batch["image"]).numpy()[:, counts])
        labels.append(batch["label"].numpy()[counts])
        progress(sum(map(len, labels)))
    if not sum(map(len, labels)):
        raise ValueError("dataset has no readable example to evaluate. Received: none")
    return Predictions(np.concatenate(probabilities, axis=1), np.concatenate(labels), views)


def searched_weights(predictions):
    """The weights with which the mean of the networks' probabilities is most likely to give the labels.

    The logarithm of a mean is concave in its weights, so there is one best likelihood; expectation and maximization
    in turn climb to it (the mixture's shares of Dempster, Laird and Rubin, 1977).

    Args:
        predictions: `Predictions` of images that the networks were not trained on, and will not be measured on.

    Returns:
        float64 (networks,), at least 0, of sum 1.
    """
    likelihoods = predictions.probabilities[:, np.arange(len(predictions.labels)), predictions.labels] + 1e-30
    weights = np.full(len(likelihoods), 1 / len(likelihoods))
    for _ in range(SEARCH_ROUNDS):
        shares = weights[:, None] * likelihoods
        weights = (shares / shares.sum(0)).mean(1)
    return weights
