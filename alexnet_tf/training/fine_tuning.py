"""Training that starts from pretrained weights under a new last layer."""

import warnings
from collections.abc import Sequence

import keras

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.fit import WeightsWarning, fit
from alexnet_tf.models.pretrained.load import load_weights
from alexnet_tf.runs import layout
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.runs.source import source_run


def load_pretrained(model: keras.Model, recipe: Recipe) -> dict[str, str]:
    """Loads the weights of a recipe into a new model, except for its last layer.

    Args:
        model: the network of the recipe.
        recipe: a recipe with `weights`.

    Returns:
        The other layers that keep their random initialization, with the reason: {name: reason}, as `fit` returns them.

    Raises:
        UserError: if the weights cannot be read, are another network's, or do not fit a layer that is to be frozen.
    """
    with warnings.catch_warnings():
        # The caller reports what is returned.
        warnings.simplefilter("ignore", WeightsWarning)
        reasons = _load(model, recipe)
    frozen = {layer.name for layer in _layers_through(model, recipe.freeze_through)}
    if not frozen.isdisjoint(reasons):
        first = next(iter(reasons))
        raise UserError(
            f"freeze_through must lie below {first}, which does not fit weights={recipe.weights!r} and must be "
            f"trained, got {recipe.freeze_through!r}"
        )
    return reasons


def _load(model: keras.Model, recipe: Recipe) -> dict[str, str]:
    weights, head = str(recipe.weights), recipe.network.head
    source = source_run(weights)
    if source is None or weights.endswith(layout.WEIGHTS):
        return load_weights(model, weights, recipe.preset, fresh=(head,))
    arrays = {layer.name: layer.get_weights() for layer in load_run(source).model.layers}
    return fit(model, arrays, weights, channels_first=False, fresh=(head,))


def freeze(model: keras.Model, freeze_through: str) -> None:
    """Makes all layers up to one untrainable, with the batch normalization that follows it; none for `"none"`.

    Call it before the first use of `trainable_variables`.
    """
    for layer in _layers_through(model, freeze_through):
        layer.trainable = False


def _layers_through(model: keras.Model, last: str) -> list[keras.layers.Layer]:
    """The layers before the first convolution or dense layer after the one named `last`."""
    if last == "none":
        return []
    names = [layer.name for layer in model.layers]
    weighted = (names.index(layer.name) for layer in model.layers if hasattr(layer, "kernel"))
    return model.layers[: next(index for index in weighted if index > names.index(last))]


def describe(model: keras.Model, recipe: Recipe) -> str:
    """One line about what is frozen, what is trained at which learning rate, and which mean is subtracted."""
    weighted = [layer for layer in model.layers if hasattr(layer, "kernel")]
    *below, head = weighted
    frozen = [layer.name for layer in below if not layer.trainable]
    trained = [layer.name for layer in below if layer.trainable]
    rate = recipe.peak_learning_rate
    trainable = [f"{_span(trained)} (lr {rate:g})"] if trained else []
    trainable.append(f"{head.name} (new, lr {rate * recipe.head_lr_multiplier:g})")
    parameters = sum(variable.value.shape.num_elements() for variable in model.trainable_variables)
    return (
        f"Weights: {recipe.weights}. Frozen: {_span(frozen) if frozen else 'none'}. "
        f"Trainable: {', '.join(trainable)}, {parameters:,} of {model.count_params():,} parameters. "
        f"Mean: {_mean_of(recipe)}."
    )


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}–{names[-1]}"


def _mean_of(recipe: Recipe) -> str:
    if not isinstance(recipe.network.preprocessing.mean, str):
        return "the color that belongs to the weights"
    return "that of the weights' run" if source_run(str(recipe.weights)) else "that of the training images"
