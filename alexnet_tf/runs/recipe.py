"""A recipe: how to train, as data. A run stores its resolved recipe as `recipe.json` in its workdir."""

import dataclasses
import functools
import math
import os
import pathlib
from typing import Any

from alexnet_tf import storage
from alexnet_tf.data.augmentation import Augmentation
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.errors import UserError
from alexnet_tf.models.cost import check_input_size
from alexnet_tf.models.precision import PRECISIONS
from alexnet_tf.models.preset import Preset
from alexnet_tf.models.presets import ORIGINAL as ORIGINAL_NETWORK
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.specs import Conv, Dense, WeightedSpec
from alexnet_tf.runs import fields, layout
from alexnet_tf.runs.fields import field

FORMAT_VERSION = 1  # Of recipe.json.
# Fields that a recipe.json of this version may lack, because it was written before there were any.
ADDED_FIELDS: dict[str, Any] = {"dense_ranks": (), "teacher": None}

# Photographs are resized to 256 pixels for a network of 227; other sizes keep the proportion.
_RESIZE_TO_CROP = 256 / 227
_PRESET = "the preset's"
# Of a small folder an epoch is a few steps, after which a validation and its checkpoint take longer than the training.
_LEAST_INTERVAL = 50


@dataclasses.dataclass(frozen=True)
class LayerLearningRate:
    """A learning rate for variables whose path starts with `prefix`, from the start of `epoch`; 0 freezes them."""

    prefix: str
    epoch: int = field(dataclasses.MISSING, "optimization", "first epoch, counted from 0", at_least=0)
    learning_rate: float = field(dataclasses.MISSING, "optimization", "learning rate", at_least=0)

    def __post_init__(self) -> None:
        """Checks the types and ranges of all fields."""
        fields.check(self)


@dataclasses.dataclass(frozen=True)
class LayerDecay:
    """A weight decay for variables whose path starts with `prefix`."""

    prefix: str
    decay: float = field(dataclasses.MISSING, "optimization", "weight decay", at_least=0)

    def __post_init__(self) -> None:
        """Checks the types and ranges of all fields."""
        fields.check(self)


@dataclasses.dataclass(frozen=True)
class DenseRank:
    """The rank of a dense layer that is a product of two, see `Preset.with_dense_ranks`."""

    layer: str
    rank: int = field(dataclasses.MISSING, "network", "units of the first of the two layers", at_least=1)

    def __post_init__(self) -> None:
        """Checks the types and ranges of all fields."""
        fields.check(self)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run computes.

    `alexnet-tf train --help` describes the fields; each carries its `Facts`, by which it is checked.

    Raises:
        UserError: if a field has a wrong type or a value that is not allowed.
    """

    name: str
    dataset: str = field("builtin:shapes", "data", "builtin:shapes, folder:PATH, tar:PATH, records:DIR or tfds:NAME")
    preset: str = field("paper", "network", "network; alexnet-tf presets lists them", defines_network=True)
    width: float = field(
        1.0, "network", "factor on the width of every hidden layer, e.g. 0.25", above=0, below=1000,
        defines_network=True,
    )  # fmt: skip
    image_size: int | None = field(
        None, "network", "height and width of the input, in pixels", at_least=1, below=10_000, if_none=_PRESET,
        defines_network=True,
    )  # fmt: skip
    initialization: str = field(
        "preset", "network", "preset: as the preset defines it; code: with the standard deviations of net 145 of the "
        "2012 code; he: N(0, 2 / fan-in) and biases 0, for narrow networks (conv1: standard deviation 0.01, last "
        "layer: 0.001)", choices=("preset", "code", "he"),
    )  # fmt: skip
    dropout: float | None = field(None, "network", "rate of both dropout layers", at_least=0, below=1, if_none=_PRESET)
    weights: str | None = field(
        None, "network", "pretrained weights to fine-tune with a new last layer: imagenet, cifar10, a weight "
        "file (.caffemodel, .npy, .onnx, .pth, .safetensors, .weights.h5), or the workdir of a run, whose network, "
        "input size and mean image are used too",
        if_none="random initialization",
    )  # fmt: skip
    freeze_through: str = field(
        "none", "network", "freeze all layers up to this one, e.g. conv5 or fc7; none: no layer"
    )
    activation: str | None = field(
        None, "network", "activation after every hidden layer", choices=("relu", "tanh"), if_none=_PRESET,
        defines_network=True,
    )  # fmt: skip
    pool_size: int | None = field(
        None, "network", "size of the pooling windows; 2 with the usual stride of 2 makes them not overlap",
        at_least=1, below=1000, if_none=_PRESET, defines_network=True,
    )  # fmt: skip
    normalization: bool = field(True, "network", "keep the preset's local response normalization", defines_network=True)
    towers: bool = field(
        True, "network", "keep the preset's towers; without them every filter sees all channels", defines_network=True
    )
    dense_ranks: tuple[DenseRank, ...] = field(
        (), "network", "dense layers that are products of low rank", defines_network=True
    )
    batch_size: int = field(128, "optimization", "images per step, over all devices", at_least=1)
    epochs: int = field(90, "optimization", "passes over the training set", at_least=1, may_change=True)
    steps: int | None = field(
        None, "optimization", "number of training steps; takes precedence over epochs", at_least=1,
        if_none="from epochs", may_change=True,
    )  # fmt: skip
    precision: str = field("float32", "optimization", "compute dtype of the layers", choices=PRECISIONS)
    optimizer: str = field(
        "paper_sgd", "optimization", "paper_sgd: SGD with momentum as in section 5; lars: the same, with a learning "
        "rate adapted to each layer; adam", choices=("paper_sgd", "lars", "adam"),
    )  # fmt: skip
    learning_rate: float = field(0.01, "optimization", "learning rate before the schedule", above=0)
    lr_reference_batch_size: int | None = field(
        None, "optimization", "batch size that learning_rate is meant for: the learning rate is scaled by batch_size "
        "divided by this", at_least=1, if_none="no scaling",
    )  # fmt: skip
    momentum: float = field(0.9, "optimization", "momentum of paper_sgd and lars", above=0, below=1)
    weight_decay: float = field(0.0005, "optimization", "weight decay of paper_sgd and lars", at_least=0)
    layer_decays: tuple[LayerDecay, ...] = field((), "optimization", "weight decay of single layers")
    label_smoothing: float = field(
        0.0, "optimization", "fraction of each target that is spread over all classes", at_least=0, below=1
    )
    teacher: str | None = field(
        None, "optimization", "workdir of a run to learn from: the loss compares the probabilities with those of its "
        "network (distillation)", if_none="none",
    )  # fmt: skip
    head_lr_multiplier: float = field(
        1.0, "optimization", "learning rate of the last layer, and of others that pretrained weights do not fit, as a "
        "multiple of learning_rate", above=0,
    )  # fmt: skip
    bias_lr_multiplier: float = field(
        1.0, "optimization", "learning rate of biases, as a multiple of learning_rate", at_least=0
    )
    decay_biases: bool = field(True, "optimization", "apply weight decay to biases")
    schedule_biases: bool = field(True, "optimization", "apply the schedule to biases")
    schedule: str = field(
        "plateau", "optimization", "constant: no change; plateau: divide by 10 when the validation error stops "
        "improving, at most max_lr_drops times; milestones: divide by 10 at the recipe's epochs; linear: constant, "
        "then linearly to 0 over the last decay_fraction of all steps; cosine: half a cosine to 0",
        choices=("constant", "plateau", "milestones", "linear", "cosine"),
    )  # fmt: skip
    milestones: tuple[int, ...] = field((), "optimization", "epochs of the milestones schedule")
    max_lr_drops: int = field(3, "optimization", "plateau: how often the learning rate is divided by 10", at_least=0)
    patience: int = field(
        5, "optimization", "plateau: validations without a lower top-1 error before a division", at_least=1
    )
    decay_fraction: float = field(
        0.4, "optimization", "linear: fraction of all steps over which the learning rate falls", above=0, below=1
    )
    warmup_steps: int = field(0, "optimization", "steps over which the learning rate rises from 0", at_least=0)
    layer_learning_rates: tuple[LayerLearningRate, ...] = field((), "optimization", "learning rate of single layers")
    random_crop: bool = field(True, "augmentation", "crop at random positions (section 4.1)")
    flip: bool = field(True, "augmentation", "flip half of the images horizontally (section 4.1)")
    color_noise: bool = field(True, "augmentation", "shift colors along their principal axes (section 4.1)")
    color_pca: str = field(
        "own", "augmentation", "principal axes of the colors: of the training set (own) or of ImageNet",
        choices=("own", "imagenet"),
    )  # fmt: skip
    color_noise_divisor: float = field(1.0, "augmentation", "divide inputs that have color noise by this", above=0)
    crop_group_size: int = field(
        1, "augmentation", "consecutive images of a batch that share one random crop and one flip", at_least=1
    )
    color_noise_end_epoch: int | None = field(
        None, "augmentation", "epoch from which color noise is off", at_least=0, if_none="never"
    )
    statistics_examples: int | None = field(
        None, "data", "training images for the mean image and the color axes", at_least=1, if_none="all"
    )
    evaluate_every: int | None = field(
        None, "run", "interval of validations, in steps; each saves a checkpoint", at_least=1,
        if_none=f"whole epochs, at least {_LEAST_INTERVAL} steps", may_change=True,
    )  # fmt: skip
    seed: int = field(0, "run", "seed of initial weights, data order, augmentation and built-in data", at_least=0)
    data_seed: int | None = field(
        None, "data", "seed of the built-in dataset, and of the held-out images of a dataset without a validation "
        "split", at_least=0, if_none="seed",
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Checks every field and what they must agree on."""
        fields.check(self)
        network, crop = self.network, self.resize_crop.crop
        check_input_size(network, crop, crop)
        names = [layer.name for layer in network.layers if isinstance(layer, WeightedSpec)]
        fields.one_of("freeze_through", self.freeze_through, ("none", *names[:-1]))
        if self.freeze_through != "none" and self.weights is None:
            raise UserError(
                "freeze_through must be 'none' without weights, for random layers must be trained, "
                f"got {self.freeze_through!r}"
            )
        if self.head_lr_multiplier != 1 and self.optimizer == "adam":
            raise UserError(
                "head_lr_multiplier must be 1 with optimizer='adam', which has one learning rate for all layers, "
                f"got {self.head_lr_multiplier:g}"
            )

    @functools.cached_property
    def network(self) -> Preset:
        """The resolved `Preset`, with every field that changes the network applied."""
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
            preset = _with_code_initialization(preset)
        if self.initialization == "he":
            preset = _with_he_initialization(preset)
        return preset.with_dense_ranks({layer.layer: layer.rank for layer in self.dense_ranks})

    @property
    def dataset_seed(self) -> int:
        """The seed for `open_dataset`."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at a schedule factor of 1."""
        return self.learning_rate * (
            self.batch_size / self.lr_reference_batch_size if self.lr_reference_batch_size else 1.0
        )

    @property
    def resize_crop(self) -> ResizeCrop:
        """The sizes to which images are resized and cropped, in pixels."""
        network = self.network
        if self.image_size in (None, network.input_size):
            return ResizeCrop(network.preprocessing.resize, network.input_size)
        return ResizeCrop(round(self.image_size * _RESIZE_TO_CROP), self.image_size)

    def augmentation(self, epoch: int) -> Augmentation:
        """The augmentation of an epoch, counted from 0."""
        noise = self.color_noise and (self.color_noise_end_epoch is None or epoch < self.color_noise_end_epoch)
        return Augmentation(self.random_crop, self.flip, noise, self.crop_group_size)

    def total_steps(self, examples: int) -> int:
        """The number of training steps for a training set of that many examples."""
        return self.steps or self.epochs * self.steps_per_epoch(examples)

    def steps_per_epoch(self, examples: int) -> int:
        """The number of full batches in an epoch, at least 1."""
        return max(1, examples // self.batch_size)

    def validation_interval(self, examples: int) -> int:
        """Steps between validations for a training set of that many examples: `evaluate_every`, or whole epochs."""
        epoch = self.steps_per_epoch(examples)
        return self.evaluate_every or epoch * math.ceil(_LEAST_INTERVAL / epoch)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the recipe as JSON."""
        storage.write_json(path, dataclasses.asdict(self), FORMAT_VERSION)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Recipe":
        """Reads a recipe that `save` wrote.

        Raises:
            UserError: if the file is missing or has another format version, or a field is unknown, missing or wrong.
        """
        values: dict[str, Any] = storage.read_json(path, FORMAT_VERSION)
        try:
            return fields.from_json(cls, {**ADDED_FIELDS, **values})
        except UserError as error:
            raise UserError(f"{str(path)!r} is not a valid recipe: {error!s:.500}") from error


def _with_code_initialization(preset: Preset) -> Preset:
    """The preset with the standard deviations of net 145, by layer name.

    Raises:
        UserError: if the preset has other layers.
    """
    stddevs = {layer.name: layer.kernel_init for layer in ORIGINAL_NETWORK.layers if isinstance(layer, Conv | Dense)}
    names = [layer.name for layer in preset.layers if isinstance(layer, Conv | Dense)]
    if names != list(stddevs):
        raise UserError(f"initialization='code' needs the layers conv1 to fc8, got preset {preset.name!r}")
    layers = (
        dataclasses.replace(layer, kernel_init=stddevs[layer.name]) if isinstance(layer, Conv | Dense) else layer
        for layer in preset.layers
    )
    return dataclasses.replace(preset, layers=tuple(layers))


def _with_he_initialization(preset: Preset) -> Preset:
    """The preset with He's initialization, except for its first and last layer."""
    he = {"kernel_init": "he", "bias_init": 0.0}
    layers: list[Any] = list(preset.changed(Conv=he, Dense=he).layers)
    # Pixels are large numbers, so conv1 keeps 0.01; the classifier starts with nearly equal probabilities.
    layers[0] = dataclasses.replace(layers[0], kernel_init=0.01)
    layers[-1] = dataclasses.replace(layers[-1], kernel_init=0.001)
    return dataclasses.replace(preset, layers=tuple(layers))


def read_recipe(workdir: str | os.PathLike) -> Recipe:
    """The resolved recipe of a run; raises UserError as `Recipe.load` does."""
    return Recipe.load(pathlib.Path(workdir) / layout.RECIPE)
