"""Training that starts from pretrained weights under a new last layer."""

import itertools
import pathlib
import warnings
from collections.abc import Collection, Mapping, Sequence

import keras

from alexnet_tf import storage
from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.fit import NOT_IN_FILE, WeightsWarning, fit
from alexnet_tf.models.pretrained.fit import reinitialized as explain
from alexnet_tf.models.pretrained.load import load_weights
from alexnet_tf.runs import layout
from alexnet_tf.runs.checkpoints import candidates
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.runs.source import has_source_mean, source_run

FORMAT_VERSION = 1  # Of reinitialized.json.


def prepare_model(model: keras.Model, recipe: Recipe, workdir: pathlib.Path) -> dict[str, str]:
    """Loads the recipe's weights, or the workdir's initial ones, if there are any, and freezes what is kept as it is.

    Args:
        model: the new network of the recipe.
        recipe: any recipe.
        workdir: of the run; one that resumes takes its weights from its checkpoint, and only the result from here.

    Returns:
        As `load_pretrained`.

    Raises:
        UserError: as `load_pretrained` and `read_reinitialized`.
    """
    reinitialized, resumes = {}, bool(candidates(workdir / layout.CHECKPOINTS))
    if recipe.weights:
        reinitialized = read_reinitialized(workdir) if resumes else load_pretrained(model, recipe)
    elif (workdir / layout.INITIAL_WEIGHTS).is_file() and not resumes:
        load_weights(model, workdir / layout.INITIAL_WEIGHTS, recipe.preset)
    freeze(model, recipe.freeze_through)
    return reinitialized


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
        first, reason = next(iter(reasons.items()))
        problem = "is not in" if reason == NOT_IN_FILE else "does not fit"
        raise UserError(
            f"freeze_through must lie below {first}, which {problem} weights={recipe.weights!r} and must be trained, "
            f"got {recipe.freeze_through!r}"
        )
    return reasons


def save_reinitialized(workdir: pathlib.Path, reinitialized: Mapping[str, str]) -> None:
    """Stores what `load_pretrained` returned, by which a resumed run knows its learning rates without the weights."""
    if reinitialized:
        storage.write_json(workdir / layout.REINITIALIZED, {"layers": dict(reinitialized)}, FORMAT_VERSION)


def read_reinitialized(workdir: pathlib.Path) -> dict[str, str]:
    """What `save_reinitialized` stored; empty if that was nothing.

    Raises:
        UserError: if the file is damaged.
    """
    file = workdir / layout.REINITIALIZED
    if not file.exists():
        return {}
    layers = storage.read_json(file, FORMAT_VERSION).get("layers")
    if not isinstance(layers, dict) or not all(isinstance(reason, str) for reason in layers.values()):
        raise UserError(f"{str(file)!r} must have layers with reasons, got {str(layers)[:100]}")
    return layers


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


def describe(model: keras.Model, recipe: Recipe, reinitialized: Mapping[str, str]) -> list[str]:
    """Lines about what is frozen, what is trained at which learning rate, which mean is subtracted, and what is new.

    Args:
        model: the network, after `freeze`.
        recipe: a recipe with `weights`.
        reinitialized: what `load_pretrained` returned.
    """
    names = [layer.name for layer in model.layers if hasattr(layer, "kernel")]
    new = {names[-1], *reinitialized}
    trainable = {layer.name for layer in model.layers if layer.trainable}
    rate = recipe.peak_learning_rate
    kept = _spans(names, trainable - new)
    parts = [f"{kept} (lr {rate:g})"] if kept else []
    parts.append(f"{_spans(names, new)} (new, lr {rate * recipe.head_lr_multiplier:g})")
    parameters = sum(variable.value.shape.num_elements() for variable in model.trainable_variables)
    lines = [
        f"Weights: {recipe.weights}. Frozen: {_spans(names, set(names) - trainable) or 'none'}. "
        f"Trainable: {', '.join(parts)}, {parameters:,} of {model.count_params():,} parameters. "
        f"Mean: {_mean_of(recipe)}."
    ]
    if reinitialized:
        lines.append(f"{explain(reinitialized)}. Same learning rate as the last layer.")
    for below, layer in itertools.pairwise(names):
        if below in reinitialized and layer not in new:
            lines.append(
                f"warning: {layer} keeps its weights above {below}, which starts fresh: they were trained for other "
                f"outputs of {below}. The error is often lower with weights whose {below} fits."
            )
    return lines


def _spans(names: Sequence[str], chosen: Collection[str]) -> str:
    """The chosen ones of names in order, with those that follow each other as a span: "conv1–conv5, fc7"."""
    spans = []
    for is_chosen, group in itertools.groupby(names, lambda name: name in chosen):
        members = list(group)
        if is_chosen:
            spans.append(members[0] if len(members) == 1 else f"{members[0]}–{members[-1]}")
    return ", ".join(spans)


def _mean_of(recipe: Recipe) -> str:
    if not isinstance(recipe.network.preprocessing.mean, str):
        return "the color that belongs to the weights"
    return "that of the weights" if has_source_mean(str(recipe.weights)) else "that of the training images"
