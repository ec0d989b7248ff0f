"""What a recipe is: how to train, as data. A run keeps its resolved recipe as `recipe.json` in its workdir."""

import dataclasses
import json
import pathlib

from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.pipeline import Augmentation
from alexnet_tf.models.precision import PRECISIONS
from alexnet_tf.models.presets import ORIGINAL as ORIGINAL_NETWORK
from alexnet_tf.models.presets import get_preset

# Photographs are resized to 256 pixels for a network of 227; other sizes keep the proportion.
_RESIZE_TO_CROP = 256 / 227

# The recipe of a run, in its workdir.
RECIPE = "recipe.json"

OPTIMIZERS = ("paper_sgd", "lars", "adam")
SCHEDULES = ("constant", "plateau", "milestones", "linear", "cosine")


@dataclasses.dataclass(frozen=True)
class LayerLearningRate:
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
        "at least 1", lambda value: value >= 1,
        ("batch_size", "epochs", "steps", "image_size", "evaluate_every", "statistics_examples", "patience",
         "crop_group_size", "lr_reference_batch_size", "pool_size"),
    ),
    ("above 0", lambda value: value > 0, ("learning_rate", "width", "color_noise_divisor", "head_lr_multiplier")),
    (
        "at least 0", lambda value: value >= 0,
        ("seed", "data_seed", "max_lr_drops", "warmup_steps", "color_noise_end_epoch", "weight_decay", "bias_lr_multiplier"),
    ),
    ("above 0 and below 1", lambda value: 0 < value < 1, ("momentum", "decay_fraction")),
    ("at least 0 and below 1", lambda value: 0 <= value < 1, ("dropout", "label_smoothing")),
)  # fmt: skip


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
    freeze_through: str = _field("none", "the last layer that keeps its weights, e.g. conv5 or fc7; none: all learn")
    activation: str | None = _field(None, "relu or tanh, after every hidden layer; the preset's own if not given")
    pool_size: int | None = _field(
        None,
        "side of the pools' windows, e.g. 2 with their stride of 2 for pools that do "
        "not overlap; the preset's own if not given",
    )
    normalization: bool = _field(True, "whether the preset's response normalization is kept")
    towers: bool = _field(True, "whether the preset's towers are kept apart; if not, every filter sees all channels")
    batch_size: int = _field(128, "images a step, over all devices")
    epochs: int = _field(90, "passes over the training set")
    steps: int | None = _field(None, "length in steps; decides where both are given")
    precision: str = _field("float32", "what layers compute in: float32, mixed_bfloat16 or mixed_float16")
    optimizer: str = _field("paper_sgd", "paper_sgd (section 5), lars (the same, adapted to each layer) or adam")
    learning_rate: float = _field(0.01, "of the weights, before the schedule")
    lr_reference_batch_size: int | None = _field(
        None, "batch that learning_rate is meant for; it grows in proportion with batch_size. None: it does not"
    )
    momentum: float = _field(0.9, "of paper_sgd and lars")
    weight_decay: float = _field(0.0005, "of paper_sgd and lars")
    layer_decays: tuple = ()
    label_smoothing: float = _field(0.0, "share of each target that is spread over all classes")
    head_lr_multiplier: float = _field(1.0, "the rate of the last layer as a multiple of learning_rate")
    bias_lr_multiplier: float = _field(1.0, "the biases' rate as a multiple of learning_rate")
    decay_biases: bool = _field(True, "whether weight decay acts on biases")
    schedule_biases: bool = _field(True, "whether the schedule lowers the biases' rate too")
    schedule: str = _field(
        "plateau",
        "constant; plateau: divided by ten when validation error stops improving, at most `max_lr_drops` times; milestones: "
        "divided by ten at the recipe's epochs; linear: constant, then falling straight to 0 over the last "
        "decay_fraction; cosine: half a cosine down to 0",
    )
    milestones: tuple = ()
    max_lr_drops: int = _field(3, "of plateau")
    patience: int = _field(5, "of plateau: evaluations without a better top-1 error before the rate falls")
    decay_fraction: float = _field(0.4, "of linear: the share of all steps over which the rate falls")
    warmup_steps: int = _field(0, "steps over which the rate rises from 0")
    layer_learning_rates: tuple = ()
    random_crop: bool = _field(True, "whether crops are random (section 4.1)")
    flip: bool = _field(True, "whether half of the images are mirrored (section 4.1)")
    color_noise: bool = _field(True, "whether colors are shifted along their principal axes (section 4.1)")
    color_pca: str = _field("own", "whose axes colors are shifted along: own, of the training set; imagenet")
    color_noise_divisor: float = _field(1.0, "what the input is divided by while there is color noise")
    crop_group_size: int = _field(1, "consecutive images of a batch that share one random crop and one flip")
    color_noise_end_epoch: int | None = _field(None, "epoch from which color noise is off; never if not given")
    statistics_examples: int | None = _field(None, "training images that give mean and colors; all if not given")
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
        _one_of("color_pca", self.color_pca, ("own", "imagenet"))
        _one_of("initialization", self.initialization, ("preset", "code", "he"))
        _one_of("activation", self.activation, (None, "relu", "tanh"))
        for allowed, holds, fields in _RANGES:
            for field in fields:
                value = getattr(self, field)
                if value is not None and not holds(value):
                    raise ValueError(f"{field} must be {allowed}. Received: {field}={value}")
        self._check_layers(self.network())

    def _check_layers(self, network):
        """Checks what is said of single layers of the network."""
        if self.freeze_through != "none":
            names = [layer.name for layer in network.layers if hasattr(layer, "name")]
            _one_of("freeze_through", self.freeze_through, ("none", *names[:-1]))
            if self.weights is None:
                raise ValueError(
                    "freeze_through needs weights: layers that start fresh must learn. "
                    f"Received: freeze_through={self.freeze_through!r}, weights=None"
                )
        if self.head_lr_multiplier != 1 and self.optimizer == "adam":
            raise ValueError(
                "head_lr_multiplier must be 1 with optimizer='adam', which has one rate for all layers. "
                f"Received: head_lr_multiplier={self.head_lr_multiplier:g}"
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
    def peak_learning_rate(self):
        """The learning rate of the weights at a factor of 1."""
        return self.learning_rate * (
            self.batch_size / self.lr_reference_batch_size if self.lr_reference_batch_size else 1.0
        )

    @property
    def resize_crop(self):
        """The `ResizeCrop` of images: resize and crop in pixels."""
        preset = get_preset(self.preset)
        if self.image_size in (None, preset.input_size):
            return ResizeCrop(preset.preprocessing.resize, preset.input_size)
        return ResizeCrop(round(self.image_size * _RESIZE_TO_CROP), self.image_size)

    def augmentation(self, epoch):
        """The `Augmentation` in force in an epoch."""
        noise = self.color_noise and (self.color_noise_end_epoch is None or epoch < self.color_noise_end_epoch)
        return Augmentation(self.random_crop, self.flip, noise, self.crop_group_size)

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
        fields["layer_learning_rates"] = tuple(LayerLearningRate(**rate) for rate in fields["layer_learning_rates"])
        fields["layer_decays"] = tuple(LayerDecay(**decay) for decay in fields.get("layer_decays", ()))
        return cls(**fields)


def _one_of(name, value, allowed):
    if value not in allowed:
        allowed = [str(choice) for choice in allowed]
        raise ValueError(f"{name} must be one of {', '.join(allowed)}. Received: {name}={value!r}")


def read_recipe(workdir):
    """The resolved recipe of a run."""
    try:
        return Recipe.from_json((pathlib.Path(workdir) / RECIPE).read_text())
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"workdir {str(workdir)!r} has a recipe.json that cannot be read: {error}") from error
