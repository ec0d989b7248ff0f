"""The named recipes, and `get_recipe`, which replaces fields in them."""

import dataclasses
import os
import pathlib
from typing import Any

from alexnet_tf.errors import UserError
from alexnet_tf.runs.recipe import LayerDecay, LayerLearningRate, Recipe
from alexnet_tf.runs.source import source_fields

# The network at full width, with an initialization and an optimizer that learn within minutes: He's initialization
# instead of constants tuned for 90 epochs, Adam instead of SGD, no dropout or noise since no image is seen twice, and
# small batches, because a CPU's time is proportional to the number of images.
DEMO = Recipe(
    "demo", initialization="he", dropout=0.0, batch_size=16, steps=300, optimizer="adam", learning_rate=3e-4,
    schedule="linear", warmup_steps=20, color_noise=False, statistics_examples=200,
)  # fmt: skip

# Section 5: the learning rate is divided by 10 three times, whenever the validation error stops improving.
PAPER = Recipe("paper", dataset="tfds:imagenet2012")

# Net 145 (layers/layer-params-145.cfg): biases have twice the learning rate, no weight decay and no schedule; the
# learning rate falls at fixed epochs; 32 images share a crop and a flip, and inputs with color noise are divided by 1.1
# (convdata_jpeg.py); late in the run color noise ends, and conv1's learning rate is lowered, then 0.
ORIGINAL = Recipe(
    "original", dataset="tfds:imagenet2012", preset="original", epochs=91, bias_lr_multiplier=2.0, decay_biases=False,
    schedule_biases=False, schedule="milestones", milestones=(25, 51, 79), color_noise_end_epoch=67,
    color_noise_divisor=1.1, crop_group_size=32,
    layer_learning_rates=(LayerLearningRate("conv1/kernel", 67, 1e-5), LayerLearningRate("conv1/", 72, 0.0)),
)  # fmt: skip

# For accuracy rather than history: batch normalization, which allows larger learning rates and needs neither LRN nor
# tuned constants; a learning rate in proportion to the batch size, with warm-up (Goyal et al., 2017) and cosine decay;
# label smoothing; no weight decay on biases.
FAST = Recipe(
    "fast", dataset="tfds:imagenet2012", preset="bn", initialization="he", batch_size=256, epochs=60,
    learning_rate=0.04, lr_reference_batch_size=256, weight_decay=1e-4, label_smoothing=0.1, decay_biases=False,
    schedule="cosine", warmup_steps=2000,
)  # fmt: skip

# Large batches on many devices (You et al., 2017): each layer's learning rate follows from the norms of its weights
# and gradients.
LARS = Recipe(
    "lars", dataset="tfds:imagenet2012", preset="bn", initialization="he", batch_size=4096, epochs=90,
    optimizer="lars", learning_rate=2.0, lr_reference_batch_size=1024, weight_decay=5e-4, decay_biases=False,
    schedule="cosine", warmup_steps=1500,
)  # fmt: skip

# For a few hundred photographs: pretrained weights under a new last layer with ten times the learning rate of the
# others, as was usual with Caffe; the paper's optimizer, augmentation and dropout. Caffe's 0.001 is too large for
# batches of 32 and activations as large as those of `demo`: the loss rises to 10, and the pretrained layers suffer.
# There is no default dataset, since the user's photographs are the point.
FINETUNE = Recipe(
    "finetune", dataset="", preset="caffe", weights="imagenet", batch_size=32, epochs=30, learning_rate=0.0001,
    head_lr_multiplier=10.0, schedule="linear",
)  # fmt: skip

# As the first author published it for 18 % test error on CIFAR-10: biases with twice the learning rate and no weight
# decay, a weight decay of 1 on the classifier, no augmentation.
FOUR_LAYERS = Recipe(
    "four_layers", dataset="tfds:cifar10", preset="four_layers", epochs=140, learning_rate=0.001,
    bias_lr_multiplier=2.0, weight_decay=0.004, layer_decays=(LayerDecay("fc4/", 1.0),), decay_biases=False,
    schedule="milestones", milestones=(120, 130), random_crop=False, flip=False, color_noise=False,
)  # fmt: skip

# The paper's network on a set that a CPU can go through many times: crops of 99 of 112 pixels, at which conv5 still
# sees 5 by 5 positions; the paper's dropout and augmentation; twice its learning rate, with warm-up and cosine decay.
CIFAR10 = Recipe(
    "cifar10", dataset="tfds:cifar10", image_size=99, initialization="he", epochs=40, learning_rate=0.02,
    decay_biases=False, schedule="cosine", warmup_steps=700,
)  # fmt: skip

RECIPES = {recipe.name: recipe for recipe in (DEMO, PAPER, ORIGINAL, FAST, LARS, FINETUNE, FOUR_LAYERS, CIFAR10)}


def get_recipe(name: str, workdir: str | os.PathLike | None = None, **overrides: Any) -> Recipe:
    """Returns a recipe with fields replaced.

    If it fine-tunes the weights of a run, the fields that define the network are those of that run.

    Args:
        name: name of a recipe, or path of a `.json` file with one, e.g. a run's `recipe.json`.
        workdir: directory of the run that the recipe is for. If that run has begun with the same weights, the run
            that the weights are from is no longer needed.
        **overrides: fields of `Recipe`. `epochs` without `steps` also unsets the recipe's `steps`.

    Raises:
        UserError: on an unknown name, an unreadable file, a value that is not allowed, or one that contradicts the
            weights.
    """
    recipe = RECIPES[name] if name in RECIPES else _load(name)
    if overrides.get("epochs") and not overrides.get("steps"):
        overrides["steps"] = None
    weights = overrides.get("weights", recipe.weights)
    # A file's fields are resolved already, unless other weights are asked for.
    resolved = name not in RECIPES and weights == recipe.weights
    taken = {} if weights is None or resolved else source_fields(weights, workdir, overrides)
    return dataclasses.replace(recipe, **{**taken, **overrides})


def _load(path: str) -> Recipe:
    if not path.endswith(".json"):
        raise UserError(f"recipe must be one of {', '.join(RECIPES)}, or a .json file, got {path!r}")
    return Recipe.load(pathlib.Path(path))
