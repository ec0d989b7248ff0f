"""Ensembles: the weighted mean of the probabilities of several networks."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.pipeline import read_split
from alexnet_tf.data.sources import Split
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.evaluator import BATCH_SIZE, check_views
from alexnet_tf.evaluation.metrics import Metrics, Sums, batch_sums
from alexnet_tf.inference.predictor import Predictor

SEARCH = "search"
# Iterations of `search_weights`; each increases the likelihood, the last ones by almost nothing.
SEARCH_ITERATIONS = 1000


@dataclasses.dataclass(frozen=True)
class EnsemblePredictions:
    """The predictions of several networks for the same images.

    Attributes:
        probabilities: float32 (networks, examples, classes).
        labels: int64 (examples,).
        views: views of each image whose probabilities were averaged, 1 or 10.
    """

    probabilities: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    views: int

    def part(self, examples: slice) -> "EnsemblePredictions":
        """The predictions for some of the examples."""
        return EnsemblePredictions(self.probabilities[:, examples], self.labels[examples], self.views)

    def metrics(self, weights: npt.ArrayLike) -> Metrics:
        """The metrics of the mean with one weight for each network; the weights need not add up to 1.

        Reference: `avg-valid.py` of the 2012 code; "averaging the predictions", section 6 of the paper.
        """
        mean = np.tensordot(np.asarray(weights, np.float64) / np.sum(weights), self.probabilities, axes=1)
        ones = tf.ones([len(self.labels)])
        sums = batch_sums(tf.constant(mean, tf.float32), tf.constant(self.labels), ones)
        return Sums(*sums.numpy()).metrics(self.views)


@dataclasses.dataclass(frozen=True)
class EnsembleMetrics:
    """The metrics of an ensemble and of its networks alone, all on the same images.

    Attributes:
        names: of the networks.
        weights: of the networks in the mean, as given or found.
        networks: metrics of each network alone.
        mean: metrics of the mean with `weights`.
        equal: metrics of the mean with equal weights.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    networks: tuple[Metrics, ...]
    mean: Metrics
    equal: Metrics


def check_same_inputs(predictors: Sequence[Predictor]) -> None:
    """Raises UserError if two networks have different classes or input sizes."""
    first, *others = predictors
    for other in others:
        if other.class_names != first.class_names:
            raise UserError(
                f"networks must have the same classes in the same order, got {first.name!r} with {_classes(first)} and "
                f"{other.name!r} with {_classes(other)}"
            )
        if other.preprocessing != first.preprocessing:
            raise UserError(
                f"networks must have the same input size, got {first.name!r} with {_sizes(first)} and {other.name!r} "
                f"with {_sizes(other)}"
            )


def _classes(predictor: Predictor) -> str:
    return f"{len(predictor.class_names)} classes ({', '.join(predictor.class_names[:3])} …)"


def _sizes(predictor: Predictor) -> str:
    return f"a crop of {predictor.preprocessing.crop} pixels out of {predictor.preprocessing.resize}"


def predict_ensemble(
    predictors: Sequence[Predictor],
    split: Split,
    batch_size: int = BATCH_SIZE,
    views: int = 1,
    progress: Callable[[int], None] = lambda examples: None,
) -> EnsemblePredictions:
    """Collects the predictions of several networks for a split, which is read once.

    Takes 4 bytes for each network, example and class: 200 MB a network for ImageNet's validation set.

    Args:
        predictors: networks of the same classes and input size.
        split: labeled images; unreadable ones are left out.
        batch_size: images at a time.
        views: 1 for the central crop, or 10 for the views of section 4.1, whose probabilities are averaged.
        progress: called after each batch with the number of examples so far.

    Raises:
        UserError: if the networks do not fit together, or no example is readable.
    """
    check_views(views)
    check_same_inputs(predictors)

    @tf.function(jit_compile=False, reduce_retracing=True)
    def all_probabilities(images: tf.Tensor) -> tf.Tensor:
        return tf.stack([predictor.view_probabilities(images, views) for predictor in predictors])

    classes, preprocessing = len(predictors[0].class_names), predictors[0].preprocessing
    probabilities, labels, count = [], [], 0
    for examples in read_split(split, classes, batch_size, preprocessing, whole_square=views > 1):
        if not len(examples.labels):
            continue
        probabilities.append(all_probabilities(examples.images).numpy())
        labels.append(examples.labels)
        count += len(examples.labels)
        progress(count)
    if not count:
        raise UserError("dataset must have a readable example to evaluate, got none")
    return EnsemblePredictions(np.concatenate(probabilities, axis=1), np.concatenate(labels), views)


def evaluate_ensemble(
    predictors: Sequence[Predictor],
    split: Split,
    weights: Sequence[float] | str | None = None,
    batch_size: int = BATCH_SIZE,
    views: int = 1,
    progress: Callable[[int], None] = lambda examples: None,
) -> EnsembleMetrics:
    """Evaluates the mean of several networks, and each of them alone.

    Args:
        predictors, split, batch_size, views, progress: as for `predict_ensemble`.
        weights: one for each network, at least 0; `"search"` finds them on every second image and evaluates on the
            others; equal if not given.

    Raises:
        UserError: as `predict_ensemble`, and if the weights are not valid.
    """
    if weights is not None and weights != SEARCH:
        check_weights(weights, len(predictors))
    predictions = predict_ensemble(predictors, split, batch_size, views, progress)
    if weights == SEARCH:
        weights = search_weights(predictions.part(slice(0, None, 2))).tolist()
        predictions = predictions.part(slice(1, None, 2))
    equal = [1 / len(predictors)] * len(predictors)
    chosen = tuple(float(weight) for weight in (equal if weights is None else weights))
    return EnsembleMetrics(
        tuple(predictor.name for predictor in predictors),
        chosen,
        tuple(predictions.metrics(row) for row in np.eye(len(predictors))),
        predictions.metrics(chosen),
        predictions.metrics(equal),
    )


def check_weights(weights: Sequence[float] | str, networks: int) -> None:
    """Raises UserError unless there is one finite weight of at least 0 for each network, and not all are 0."""
    numbers = [weight for weight in weights if isinstance(weight, int | float) and 0 <= weight < np.inf]
    if len(numbers) != networks or len(weights) != networks or not sum(numbers):
        raise UserError(
            f"ensemble_weights must be {SEARCH!r} or {networks} numbers of at least 0 that are not all 0, "
            f"got {weights!r}"
        )


def search_weights(predictions: EnsemblePredictions) -> npt.NDArray[np.float64]:
    """Finds the weights with which the mean of the probabilities gives the labels the highest likelihood.

    The log-likelihood is concave in the weights, so it has one maximum; expectation-maximization for the weights of a
    mixture converges to it (Dempster, Laird and Rubin, 1977).

    Args:
        predictions: for images that the networks were not trained on and will not be evaluated on.

    Returns:
        float64 (networks,), at least 0, with sum 1.
    """
    likelihoods = predictions.probabilities[:, np.arange(len(predictions.labels)), predictions.labels] + 1e-30
    weights = np.full(len(likelihoods), 1 / len(likelihoods))
    for _ in range(SEARCH_ITERATIONS):
        responsibilities = weights[:, None] * likelihoods
        weights = (responsibilities / responsibilities.sum(0)).mean(1)
    return weights
