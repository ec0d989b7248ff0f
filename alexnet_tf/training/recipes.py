"""How to train, as data. A run keeps its resolved recipe as `recipe.json` in its workdir."""

import dataclasses
import json
import pathlib

from alexnet_tf.data.images import Geometry
from alexnet_tf.data.pipeline import Augmentation
from alexnet_tf.models.presets import ORIGINAL as ORIGINAL_NETWORK
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.load import RUN_WEIGHTS, published_preset
from alexnet_tf.models.specs import Dropout
from alexnet_tf.training.precision import PRECISIONS

# Photographs are resized to 256 pixels for a network of 227; other sizes keep the proportion.
_RESIZE_TO_CROP = 256 / 227

# The recipe of a run, in its workdir.
RECIPE = "recipe.json"

OPTIMIZERS = ("paper_sgd", "lars", "adam")
SCHEDULES = ("constant", "plateau", "milestones", "linear", "cosine")


@dataclasses.dataclass(frozen=True)
class LayerRate:
    """From the start of `epoch` on, variables whose path starts with `prefix` have this rate (0 freezes them)."""

    prefix: str
    epoch: int
    rate: float


@dataclasses.dataclass(frozen=True)
class LayerDecay:
    """Variables whose path starts with `prefix` have this weight decay."""

    prefix: str
    decay: float


_RANGES = (
    (
        (
            "batch_size",
            "epochs",
            "steps",
            "image_size",
            "evaluate_every",
            "statistics_examples",
            "patience",
            "crop_group",
            "rate_batch",
            "pool_size",
        ),
        lambda value: value >= 1,
        "at least 1",
    ),
    (("learning_rate", "width", "noise_divisor", "head_rate"), lambda value: value > 0, "above 0"),
    (
        ("seed", "data_seed", "drops", "warmup_steps", "noise_until", "weight_decay", "bias_rate"),
        lambda value: value >= 0,
        "at least 0",
    ),
    (("momentum", "decay_share"), lambda value: 0 < value < 1, "above 0 and below 1"),
    (("dropout", "label_smoothing"), lambda value: 0 <= value < 1, "at least 0 and below 1"),
)


def _field(default, help_text):
    return dataclasses.field(default=default, metadata={"help": help_text})


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run does, except where it is kept.

    Each field says what it is in its metadata, which `alexnet-tf train --help` prints.
    """

    name: str
    dataset: str = _field("builtin:shapes", "builtin:shapes, folder:PATH, tar:PATH, records:DIR or tfds:NAME")
    preset: str = _field("paper", "the network, as listed by alexnet-tf presets")
    width: float = _field(1.0, "factor on every hidden width, e.g. 0.25")
    image_size: int | None = _field(None, "side of the input in pixels; the preset's own if not given")
    initialization: str = _field(
        "preset", "preset; code: as preset, with net 145's deviations; he: N(0, 2 / fan-in), biases 0"
    )
    dropout: float | None = _field(None, "rate of both dropouts; the preset's own if not given")
    weights: str | None = _field(
        None,
        "weights to begin with, under a new last layer: imagenet, a .caffemodel, .pth or .weights.h5 file, or a run's "
        "workdir, of which network, sizes and mean are taken over too",
    )
    freeze_to: str = _field("none", "the last layer that keeps its weights, e.g. conv5 or fc7; none: all learn")
    activation: str | None = _field(None, "relu or tanh, after every hidden layer; the preset's own if not given")
    pool_size: int | None = _field(
        None,
        "side of the pools' windows, e.g. 2 with their stride of 2 for pools that do "
        "not overlap; the preset's own if not given",
    )
    normalization: bool = _field(True, "whether the preset's response normalisation is kept")
    towers: bool = _field(True, "whether the preset's towers are kept apart; if not, every filter sees all channels")
    batch_size: int = _field(128, "images a step, over all devices")
    epochs: int = _field(90, "passes over the training set")
    steps: int | None = _field(None, "length in steps; decides where both are given")
    precision: str = _field("float32", "what layers compute in: float32, mixed_bfloat16 or mixed_float16")
    optimizer: str = _field("paper_sgd", "paper_sgd (section 5), lars (the same, adapted to each layer) or adam")
    learning_rate: float = _field(0.01, "of the weights, before the schedule")
    rate_batch: int | None = _field(
        None, "batch that learning_rate is meant for; it grows in proportion with batch_size. None: it does not"
    )
    momentum: float = _field(0.9, "of paper_sgd and lars")
    weight_decay: float = _field(0.0005, "of paper_sgd and lars")
    layer_decays: tuple = ()
    label_smoothing: float = _field(0.0, "share of each target that is spread over all classes")
    head_rate: float = _field(1.0, "the rate of the last layer as a multiple of learning_rate")
    bias_rate: float = _field(1.0, "the biases' rate as a multiple of learning_rate")
    decay_biases: bool = _field(True, "whether weight decay acts on biases")
    scheduled_biases: bool = _field(True, "whether the schedule lowers the biases' rate too")
    schedule: str = _field(
        "plateau",
        "constant; plateau: divided by ten when validation error stops improving, at most `drops` times; milestones: "
        "divided by ten at the recipe's epochs; linear: constant, then falling straight to 0 over the last "
        "decay_share; cosine: half a cosine down to 0",
    )
    milestones: tuple = ()
    drops: int = _field(3, "of plateau")
    patience: int = _field(5, "of plateau: evaluations without a better top-1 error before the rate falls")
    decay_share: float = _field(0.4, "of linear: the share of all steps over which the rate falls")
    warmup_steps: int = _field(0, "steps over which the rate rises from 0")
    layer_rates: tuple = ()
    random_crop: bool = _field(True, "whether crops are random (section 4.1)")
    flip: bool = _field(True, "whether half of the images are mirrored (section 4.1)")
    colour_noise: bool = _field(True, "whether colours are shifted along their principal axes (section 4.1)")
    colours: str = _field("own", "whose axes colours are shifted along: own, of the training set; imagenet")
    noise_divisor: float = _field(1.0, "what the input is divided by while there is colour noise")
    crop_group: int = _field(1, "consecutive images of a batch that share one random crop and one flip")
    noise_until: int | None = _field(None, "epoch from which colour noise is off; never if not given")
    statistics_examples: int | None = _field(None, "training images that give mean and colours; all if not given")
    evaluate_every: int | None = _field(None, "steps between validations and checkpoints; an epoch if not given")
    seed: int = _field(0, "of weights, order, augmentation and the data")
    data_seed: int | None = _field(
        None, "of the built-in set, and of what is held out where a set has no validation part; seed if not given"
    )

    def __post_init__(self):
        """Checks every field; raises ValueError naming the one that is wrong."""
        get_preset(self.preset)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("colours", self.colours, ("own", "imagenet"))
        _one_of("initialization", self.initialization, ("preset", "code", "he"))
        _one_of("activation", self.activation, (None, "relu", "tanh"))
        for fields, holds, allowed in _RANGES:
            for field in fields:
                value = getattr(self, field)
                if value is not None and not holds(value):
                    raise ValueError(f"{field} must be {allowed}. Received: {field}={value}")
        self._check_layers(self.network())

    def _check_layers(self, network):
        """Checks what is said of single layers of the network."""
        if self.freeze_to != "none":
            names = [layer.name for layer in network.layers if hasattr(layer, "name")]
            _one_of("freeze_to", self.freeze_to, ("none", *names[:-1]))
            if self.weights is None:
                raise ValueError(
                    "freeze_to needs weights: layers that start fresh must learn. "
                    f"Received: freeze_to={self.freeze_to!r}, weights=None"
                )
        if self.head_rate != 1 and self.optimizer == "adam":
            raise ValueError(
                "head_rate must be 1 with optimizer='adam', which has one rate for all layers. "
                f"Received: head_rate={self.head_rate:g}"
            )

    def network(self):
        """The resolved `Preset`: every field that changes the network applied."""
        preset = get_preset(self.preset).widened(self.width)
        if self.activation is not None:
            preset = preset.changed(Activation={"function": self.activation})
        if self.pool_size is not None:
            preset = preset.changed(MaxPool={"size": self.pool_size}, AveragePool={"size": self.pool_size})
        if not self.normalization:
            preset = preset.without("LRN", "SpatialNorm")
        if not self.towers:
            preset = preset.changed(Conv={"groups": 1}, LRN={"groups": 1})
        if self.dropout is not None:
            preset = preset.changed(Dropout={"rate": self.dropout, "factor": 1.0})
        if self.initialization == "code":
            starts = {layer.name: layer.stddev for layer in ORIGINAL_NETWORK.layers if hasattr(layer, "stddev")}
            layers = (
                dataclasses.replace(layer, stddev=starts[layer.name]) if hasattr(layer, "stddev") else layer
                for layer in preset.layers
            )
            preset = dataclasses.replace(preset, layers=tuple(layers))
        if self.initialization == "he":
            he = {"stddev": "he", "bias": 0.0}
            preset = preset.changed(Conv=he, Dense=he)
            first, *hidden, classifier = preset.layers
            # Pixels are large numbers, so conv1 keeps .01; the classifier starts without an opinion.
            first = dataclasses.replace(first, stddev=0.01)
            classifier = dataclasses.replace(classifier, stddev=0.001)
            preset = dataclasses.replace(preset, layers=(first, *hidden, classifier))
        return preset

    @property
    def dataset_seed(self):
        """The seed that `open_dataset` takes."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def peak_rate(self):
        """The learning rate of the weights at a factor of 1."""
        return self.learning_rate * (self.batch_size / self.rate_batch if self.rate_batch else 1.0)

    @property
    def geometry(self):
        """The `Geometry` of images: resize and crop in pixels."""
        preset = get_preset(self.preset)
        if self.image_size in (None, preset.input_size):
            return Geometry(preset.preprocessing.resize, preset.input_size)
        return Geometry(round(self.image_size * _RESIZE_TO_CROP), self.image_size)

    def augmentation(self, epoch):
        """The `Augmentation` in force in an epoch."""
        noise = self.colour_noise and (self.noise_until is None or epoch < self.noise_until)
        return Augmentation(self.random_crop, self.flip, noise, self.crop_group)

    def total_steps(self, examples):
        """The length of the run in steps, for a training set of that many examples."""
        return self.steps or self.epochs * self.steps_per_epoch(examples)

    def steps_per_epoch(self, examples):
        """Full batches an epoch; one at least."""
        return max(1, examples // self.batch_size)

    def to_json(self):
        """The recipe as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text):
        """Reads what `to_json` wrote."""
        fields = json.loads(text)
        fields["milestones"] = tuple(fields["milestones"])
        fields["layer_rates"] = tuple(LayerRate(**rate) for rate in fields["layer_rates"])
        fields["layer_decays"] = tuple(LayerDecay(**decay) for decay in fields.get("layer_decays", ()))
        return cls(**fields)


def _one_of(name, value, allowed):
    if value not in allowed:
        allowed = [str(choice) for choice in allowed]
        raise ValueError(f"{name} must be one of {', '.join(allowed)}. Received: {name}={value!r}")


# Full width, but a start and an optimizer that learn in minutes: He's initialisation instead of constants tuned for
# ninety epochs, Adam instead of plain SGD, no dropout or noise since no image is seen twice, and small batches,
# because a CPU pays by the image and not by the step.
DEMO = Recipe(
    "demo", initialization="he", dropout=0.0, batch_size=16, steps=300, optimizer="adam", learning_rate=3e-4,
    schedule="linear", warmup_steps=20, colour_noise=False, statistics_examples=200,
)  # fmt: skip

# Section 5: divided by ten three times, whenever validation error stops improving.
PAPER = Recipe("paper", dataset="tfds:imagenet2012")

# Net 145 (layers/layer-params-145.cfg): biases learn at twice the rate, undecayed and never lowered; the rate falls
# at fixed epochs; 32 images share a crop and a flip, and the noisy input is divided by 1.1 (convdata_jpeg.py); late
# in the run colour noise stops, conv1 slows down and then freezes.
ORIGINAL = Recipe(
    "original", dataset="tfds:imagenet2012", preset="original", epochs=91, bias_rate=2.0, decay_biases=False,
    scheduled_biases=False, schedule="milestones", milestones=(25, 51, 79), noise_until=67, noise_divisor=1.1,
    crop_group=32,
    layer_rates=(LayerRate("conv1/kernel", 67, 1e-5), LayerRate("conv1/", 72, 0.0)),
)  # fmt: skip

# For the accuracy and not the history: batch normalisation, which takes larger rates and needs neither LRN nor tuned
# constants; a rate that grows with the batch after a warm-up (Goyal et al., 2017) and falls along a cosine; targets
# that are smoothed a little; no decay on biases.
FAST = Recipe(
    "fast", dataset="tfds:imagenet2012", preset="bn", initialization="he", batch_size=256, epochs=60,
    learning_rate=0.04, rate_batch=256, weight_decay=1e-4, label_smoothing=0.1, decay_biases=False, schedule="cosine",
    warmup_steps=2000,
)  # fmt: skip

# Large batches for many devices (You et al., 2017): each layer's rate follows the norms of its weights and gradients.
LARS = Recipe(
    "lars", dataset="tfds:imagenet2012", preset="bn", initialization="he", batch_size=4096, epochs=90,
    optimizer="lars", learning_rate=2.0, rate_batch=1024, weight_decay=5e-4, decay_biases=False, schedule="cosine",
    warmup_steps=1500,
)  # fmt: skip

# A few hundred photographs: the weights of a network that has seen many more, under a new head that learns ten times
# as fast as what is below it, as was usual with Caffe; the paper's rule, noise and dropout. Caffe's .001 is too much
# for batches of 32 over activations as large as `demo` leaves: the loss rises to 10, and what is below suffers.
FINETUNE = Recipe(
    "finetune", preset="caffe", weights="imagenet", batch_size=32, epochs=30, learning_rate=0.0001, head_rate=10.0,
    schedule="linear",
)  # fmt: skip

# As the first author published them for 18 % test error on CIFAR-10: biases at twice the rate and undecayed, a decay of
# 1 on the classifier, no augmentation.
FOUR_LAYERS = Recipe(
    "four_layers", dataset="tfds:cifar10", preset="four_layers", epochs=140, learning_rate=0.001, bias_rate=2.0,
    weight_decay=0.004, layer_decays=(LayerDecay("fc4/", 1.0),), decay_biases=False, schedule="milestones",
    milestones=(120, 130), random_crop=False, flip=False, colour_noise=False,
)  # fmt: skip

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
    """The fields that follow from the weights: the network must be the one that they were learnt in."""
    source = source_run(weights)
    if source:
        recipe = read_recipe(source)
        taken = {"preset": recipe.preset, "width": recipe.width, "image_size": recipe.image_size}
        _check_taken(taken, overrides, weights)
        return {**taken, "dropout": _dropout_after(recipe, overrides)}
    if workdir and (pathlib.Path(workdir) / RECIPE).is_file():
        begun = read_recipe(workdir)
        if begun.weights == weights:
            return {name: getattr(begun, name) for name in ("preset", "width", "image_size", "dropout")}
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


def _check_taken(taken, overrides, weights):
    for name, value in taken.items():
        if name in overrides and overrides[name] != value:
            raise ValueError(
                f"{name} must be that of the run that weights={weights!r} come from, {value}. "
                f"Received: {name}={overrides[name]}"
            )


def _dropout_after(recipe, overrides):
    """The rate of dropout for a network with the weights of a run: the preset's, scaled as they were learnt.

    A given rate divides in training (see `Recipe.network`), the paper's multiplies in use. Weights that were learnt
    with the one give other activations with the other.
    """
    (dropout, *_) = [layer for layer in get_preset(recipe.preset).layers if isinstance(layer, Dropout)]
    if recipe.dropout is not None:
        return dropout.rate
    if "dropout" in overrides and dropout.factor != 1:
        raise ValueError(
            f"dropout must be left to preset {recipe.preset!r}, with whose own the weights were learnt: it scales "
            f"activations in another way. Received: dropout={overrides['dropout']}"
        )
    return None


def source_run(weights):
    """The `pathlib.Path` of the run that weights come from, or None if they are no run's."""
    path = pathlib.Path(weights)
    path = path.parent if path.name == RUN_WEIGHTS else path
    return path if (path / RECIPE).is_file() else None


def read_recipe(workdir):
    """The resolved recipe of a run."""
    try:
        return Recipe.from_json((pathlib.Path(workdir) / RECIPE).read_text())
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"workdir {str(workdir)!r} has a recipe.json that cannot be read: {error}") from error
