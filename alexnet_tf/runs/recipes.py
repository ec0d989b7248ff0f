"""The named recipes, and how fields are replaced in them."""

import dataclasses
import pathlib

from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.load import RUN_WEIGHTS, published_preset
from alexnet_tf.models.specs import Dropout
from alexnet_tf.runs.recipe import RECIPE, LayerDecay, LayerLearningRate, Recipe, read_recipe

# Full width, but a start and an optimizer that learn in minutes: He's initialization instead of constants tuned for
# ninety epochs, Adam instead of plain SGD, no dropout or noise since no image is seen twice, and small batches,
# because a CPU pays by the image and not by the step.
DEMO = Recipe(
    "demo", initialization="he", dropout=0.0, batch_size=16, steps=300, optimizer="adam", learning_rate=3e-4,
    schedule="linear", warmup_steps=20, color_noise=False, statistics_examples=200,
)  # fmt: skip

# Section 5: divided by ten three times, whenever validation error stops improving.
PAPER = Recipe("paper", dataset="tfds:imagenet2012")

# Net 145 (layers/layer-params-145.cfg): biases learn at twice the rate, undecayed and never lowered; the rate falls
# at fixed epochs; 32 images share a crop and a flip, and the noisy input is divided by 1.1 (convdata_jpeg.py); late
# in the run color noise stops, conv1 slows down and then freezes.
ORIGINAL = Recipe(
    "original", dataset="tfds:imagenet2012", preset="original", epochs=91, bias_lr_multiplier=2.0, decay_biases=False,
    schedule_biases=False, schedule="milestones", milestones=(25, 51, 79), color_noise_end_epoch=67, color_noise_divisor=1.1,
    crop_group_size=32,
    layer_learning_rates=(LayerLearningRate("conv1/kernel", 67, 1e-5), LayerLearningRate("conv1/", 72, 0.0)),
)  # fmt: skip

# For the accuracy and not the history: batch normalization, which takes larger rates and needs neither LRN nor tuned
# constants; a rate that grows with the batch after a warm-up (Goyal et al., 2017) and falls along a cosine; targets
# that are smoothed a little; no decay on biases.
FAST = Recipe(
    "fast", dataset="tfds:imagenet2012", preset="bn", initialization="he", batch_size=256, epochs=60,
    learning_rate=0.04, lr_reference_batch_size=256, weight_decay=1e-4, label_smoothing=0.1, decay_biases=False, schedule="cosine",
    warmup_steps=2000,
)  # fmt: skip

# Large batches for many devices (You et al., 2017): each layer's rate follows the norms of its weights and gradients.
LARS = Recipe(
    "lars", dataset="tfds:imagenet2012", preset="bn", initialization="he", batch_size=4096, epochs=90,
    optimizer="lars", learning_rate=2.0, lr_reference_batch_size=1024, weight_decay=5e-4, decay_biases=False, schedule="cosine",
    warmup_steps=1500,
)  # fmt: skip

# A few hundred photographs: the weights of a network that has seen many more, under a new head that learns ten times
# as fast as what is below it, as was usual with Caffe; the paper's rule, noise and dropout. Caffe's .001 is too much
# for batches of 32 over activations as large as `demo` leaves: the loss rises to 10, and what is below suffers.
# There is no set to fall back on: the photographs are the point.
FINETUNE = Recipe(
    "finetune", dataset="", preset="caffe", weights="imagenet", batch_size=32, epochs=30, learning_rate=0.0001,
    head_lr_multiplier=10.0, schedule="linear",
)  # fmt: skip

# As the first author published them for 18 % test error on CIFAR-10: biases at twice the rate and undecayed, a decay of
# 1 on the classifier, no augmentation.
FOUR_LAYERS = Recipe(
    "four_layers", dataset="tfds:cifar10", preset="four_layers", epochs=140, learning_rate=0.001, bias_lr_multiplier=2.0,
    weight_decay=0.004, layer_decays=(LayerDecay("fc4/", 1.0),), decay_biases=False, schedule="milestones",
    milestones=(120, 130), random_crop=False, flip=False, color_noise=False,
)  # fmt: skip

# What makes a network another one, so that it comes with its weights.
NETWORK = ("preset", "width", "image_size", "activation", "pool_size", "normalization", "towers")

RECIPES = {recipe.name: recipe for recipe in (DEMO, PAPER, ORIGINAL, FAST, LARS, FINETUNE, FOUR_LAYERS)}


def get_recipe(name, workdir=None, **overrides):
    """Returns a recipe by name, with fields replaced.

    With the weights of a run, the network and its sizes are that run's.

    Args:
        name: of the recipe.
        workdir: of the run that the recipe is for. If that has begun with the same weights, the run that they came
            from is not needed any more.
        **overrides: fields of `Recipe`.

    Raises:
        ValueError: on an unknown name, a field with a value that is not allowed, or one that does not fit the weights.
    """
    if name not in RECIPES:
        raise ValueError(f"Unknown recipe. Allowed: {', '.join(sorted(RECIPES))}. Received: recipe={name!r}")
    if overrides.get("epochs") and not overrides.get("steps"):
        overrides["steps"] = None
    weights = overrides.get("weights", RECIPES[name].weights)
    taken = _taken_over(weights, workdir, overrides) if weights else {}
    return dataclasses.replace(RECIPES[name], **{**taken, **overrides})


def _taken_over(weights, workdir, overrides):
    """The fields that follow from the weights: the network must be the one that they were learned in."""
    source = source_run(weights)
    if source:
        recipe = read_recipe(source)
        _check_taken(recipe, overrides, weights)
        taken = {name: getattr(recipe, name) for name in NETWORK}
        return {**taken, "dropout": _dropout_after(recipe, overrides)}
    if workdir and (pathlib.Path(workdir) / RECIPE).is_file():
        begun = read_recipe(workdir)
        if begun.weights == weights:
            return {name: getattr(begun, name) for name in (*NETWORK, "dropout")}
    if weights == "imagenet" or "preset" in overrides:
        return {}
    if not pathlib.Path(weights).is_file():
        raise ValueError(
            "weights must be 'imagenet', a .caffemodel, .pth or .weights.h5 file, or the workdir of a run. "
            f"Received: weights={weights!r}"
        )
    preset = published_preset(weights)
    if preset is None:
        raise ValueError(f"preset must be given: which network's weights they are. Received: weights={weights!r}")
    return {"preset": preset}


def _check_taken(recipe, overrides, weights):
    """Raises ValueError if a field that makes the network is given, and is not the one of the weights' own recipe."""
    for name in NETWORK:
        value = recipe.resize_crop.crop if name == "image_size" else getattr(recipe, name)
        if name in overrides and overrides[name] != value:
            value = "the preset's own" if value is None else value
            raise ValueError(
                f"{name} must be that of the run that weights={weights!r} come from, {value}. "
                f"Received: {name}={overrides[name]}"
            )


def _dropout_after(recipe, overrides):
    """The rate of dropout for a network with the weights of a run: the preset's, scaled as they were learned.

    A given rate divides in training (see `Recipe.network`), the paper's multiplies in use. Weights that were learned
    with the one give other activations with the other.
    """
    dropout = next((layer for layer in get_preset(recipe.preset).layers if isinstance(layer, Dropout)), None)
    if dropout is None:
        return None
    if recipe.dropout is not None:
        return dropout.rate
    if "dropout" in overrides and dropout.factor != 1:
        raise ValueError(
            f"dropout must be left to preset {recipe.preset!r}, with whose own the weights were learned: it scales "
            f"activations in another way. Received: dropout={overrides['dropout']}"
        )
    return None


def source_run(weights):
    """The `pathlib.Path` of the run that weights come from, or None if they are no run's."""
    path = pathlib.Path(weights)
    path = path.parent if path.name == RUN_WEIGHTS else path
    return path if (path / RECIPE).is_file() else None
