"""Training that begins with another network's weights under a new head."""

import warnings

from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.fit import WeightsWarning, fit
from alexnet_tf.models.pretrained.load import RUN_WEIGHTS, load_weights
from alexnet_tf.runs.recipes import source_run
from alexnet_tf.runs.run import build_model, load_run


def starting_weights(recipe, classes):
    """The weights that a run begins with: those that its recipe names, under a fresh head.

    Args:
        recipe: `Recipe` with `weights`.
        classes: number of classes of the head.

    Returns:
        What `keras.Model.set_weights` takes, and the names of further layers that start fresh, because theirs were
        for another size.

    Raises:
        ValueError: if the weights cannot be read, are another network's, or do not fit a layer that is to keep them.
    """
    model = build_model(recipe, classes)
    with warnings.catch_warnings():
        # The caller is told the same by what is returned.
        warnings.simplefilter("ignore", WeightsWarning)
        fresh = _fill(model, recipe)
    keeping = {layer.name for layer in _frozen(model, recipe.freeze_through)}
    if keeping & set(fresh):
        raise ValueError(
            f"freeze_through must lie below {fresh[0]}, which does not fit the weights of {recipe.weights!r} and must learn "
            f"anew. Received: freeze_through={recipe.freeze_through!r}"
        )
    return model.get_weights(), fresh


def _fill(model, recipe):
    source, head = source_run(recipe.weights), get_preset(recipe.preset).head
    if source is None or recipe.weights.endswith(RUN_WEIGHTS):
        return load_weights(model, recipe.weights, recipe.preset, fresh=(head,))
    arrays = {layer.name: layer.get_weights() for layer in load_run(source).model.layers}
    return fit(model, arrays, recipe.weights, channels_first=False, fresh=(head,))


def freeze(model, freeze_through):
    """Keeps all layers up to one, by name, from learning; what normalizes a batch counts with the layer before it.

    To be called before `trainable_variables` is asked for. `"none"` changes nothing.
    """
    for layer in _frozen(model, freeze_through):
        layer.trainable = False


def _frozen(model, freeze_through):
    """The layers up to the one that comes next after `freeze_through` with a kernel."""
    if freeze_through == "none":
        return []
    names = [layer.name for layer in model.layers]
    later = (names.index(layer.name) for layer in model.layers if hasattr(layer, "kernel"))
    return model.layers[: next(place for place in later if place > names.index(freeze_through))]


def describe(model, recipe):
    """What learns, at which rate, and what is subtracted from images, as one line of text."""
    weighted = [layer for layer in model.layers if hasattr(layer, "kernel")]
    kept = [layer.name for layer in weighted if not layer.trainable]
    *below, head = weighted
    body = [layer.name for layer in below if layer.trainable]
    rates = [f"{_span(body)} at a rate of {recipe.peak_learning_rate:g}"] if body else []
    rates.append(f"a new {head.name} at {recipe.peak_learning_rate * recipe.head_lr_multiplier:g}")
    learning = sum(variable.value.shape.num_elements() for variable in model.trainable_variables)
    keeps = f"{_span(kept)} stay as they are; " if kept else ""
    return (
        f"weights of {recipe.weights}: {keeps}{' and '.join(rates)} learn, "
        f"{learning:,} of {model.count_params():,} weights; {_mean_of(recipe)} is subtracted"
    )


def _span(names):
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _mean_of(recipe):
    if not isinstance(get_preset(recipe.preset).preprocessing.mean, str):
        return "the mean color that belongs to the weights"
    return "the mean of that run" if source_run(recipe.weights) else "the mean of these training images"
