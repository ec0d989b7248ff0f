"""How to train, as data. A run keeps its resolved recipe as `recipe.json` in its workdir."""

import dataclasses
import json

from alexnet_tf.data.pipeline import Augmentation, Geometry
from alexnet_tf.models.presets import get_preset

# Photographs are resized to 256 pixels for a network of 227; other sizes keep the proportion.
_RESIZE_TO_CROP = 256 / 227

OPTIMIZERS = ("paper_sgd", "adam")
SCHEDULES = ("constant", "plateau", "milestones", "linear")
STRATEGIES = ("auto", "none", "mirrored")


@dataclasses.dataclass(frozen=True)
class LayerRate:
    """From the start of `epoch` on, variables whose path starts with `prefix` have this rate (0 freezes them)."""

    prefix: str
    epoch: int
    rate: float


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run does, except where it is kept.

    Attributes:
        name: of the recipe it came from.
        dataset, preset: by name.
        width: factor on every hidden width of the preset.
        image_size: input side in pixels; None for the preset's own.
        initialization: `"preset"`, or `"he"`: N(0, 2 / fan-in) from conv2 to fc7, biases 0, fc8 near 0.
        dropout: rate of both dropouts; None for the preset's own.
        batch_size: the global batch, over all replicas.
        epochs, steps: length of the run; `steps`, where given, decides.
        optimizer: `"paper_sgd"` (section 5) or `"adam"`.
        learning_rate: of the weights, before the schedule.
        momentum, weight_decay: of `paper_sgd`.
        bias_rate: biases' rate as a multiple of `learning_rate`.
        decay_biases: whether weight decay acts on biases.
        scheduled_biases: whether the schedule lowers the biases' rate too.
        schedule: `"constant"`; `"plateau"`: divided by ten when validation error stops improving, at most
            `drops` times; `"milestones"`: multiplied by .1 at each epoch listed; `"linear"`: constant for
            `1 - decay_share` of the steps, then falling straight to 0.
        patience: evaluations without a better top-1 error before a plateau counts.
        warmup_steps: steps over which the rate rises from 0.
        layer_rates: rates of single layers from given epochs on.
        random_crop, flip, colour_noise: augmentation (section 4.1).
        noise_until: epoch from which colour noise is off; None for never.
        statistics_examples: training images from which mean and colours are taken; None for all.
        evaluate_every: steps between validations; None for once an epoch.
        seed: of weights, order, augmentation and the built-in set.
    """

    name: str
    dataset: str = "builtin:shapes"
    preset: str = "paper"
    width: float = 1.0
    image_size: int | None = None
    initialization: str = "preset"
    dropout: float | None = None
    batch_size: int = 128
    epochs: int = 90
    steps: int | None = None
    optimizer: str = "paper_sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0005
    bias_rate: float = 1.0
    decay_biases: bool = True
    scheduled_biases: bool = True
    schedule: str = "plateau"
    milestones: tuple = ()
    drops: int = 3
    patience: int = 5
    decay_share: float = 0.4
    warmup_steps: int = 0
    layer_rates: tuple = ()
    random_crop: bool = True
    flip: bool = True
    colour_noise: bool = True
    noise_until: int | None = None
    statistics_examples: int | None = None
    evaluate_every: int | None = None
    seed: int = 0

    def __post_init__(self):
        """Checks every field; raises ValueError naming the one that is wrong."""
        get_preset(self.preset)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("initialization", self.initialization, ("preset", "he"))
        for field in ("batch_size", "epochs", "steps", "image_size", "evaluate_every", "statistics_examples"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ValueError(f"{field} must be at least 1. Received: {field}={value}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0. Received: learning_rate={self.learning_rate}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative. Received: seed={self.seed}")
        self.network()

    def network(self):
        """The resolved `Preset`: width, initialisation and dropout applied."""
        preset = get_preset(self.preset).widened(self.width)
        if self.dropout is not None:
            preset = preset.changed(Dropout={"rate": self.dropout, "factor": 1.0})
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
    def geometry(self):
        """The `Geometry` of images: resize and crop in pixels."""
        preset = get_preset(self.preset)
        if self.image_size in (None, preset.input_size):
            return Geometry(preset.preprocessing.resize, preset.input_size)
        return Geometry(round(self.image_size * _RESIZE_TO_CROP), self.image_size)

    def augmentation(self, epoch):
        """The `Augmentation` in force in an epoch."""
        noise = self.colour_noise and (self.noise_until is None or epoch < self.noise_until)
        return Augmentation(self.random_crop, self.flip, noise)

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
        return cls(**fields)


def _one_of(name, value, allowed):
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}. Received: {name}={value!r}")


# Full width, but a start and an optimizer that learn in minutes: He's initialisation instead of constants tuned for
# ninety epochs, Adam instead of plain SGD, no dropout or noise since no image is seen twice, and small batches,
# because a CPU pays by the image and not by the step.
DEMO = Recipe(
    "demo", initialization="he", dropout=0.0, batch_size=16, steps=290, optimizer="adam", learning_rate=1.5e-4,
    schedule="linear", warmup_steps=20, colour_noise=False, statistics_examples=200, evaluate_every=290,
)  # fmt: skip

# Section 5: divided by ten three times, whenever validation error stops improving.
PAPER = Recipe("paper", dataset="tfds:imagenet2012")

# Net 145 (layers/layer-params-145.cfg): biases learn at twice the rate, undecayed and never lowered; the rate falls
# at fixed epochs; late in the run colour noise stops, conv1 slows down and then freezes.
ORIGINAL = Recipe(
    "original", dataset="tfds:imagenet2012", preset="original", epochs=91, bias_rate=2.0, decay_biases=False,
    scheduled_biases=False, schedule="milestones", milestones=(25, 51, 79), noise_until=67,
    layer_rates=(LayerRate("conv1/kernel", 67, 1e-5), LayerRate("conv1/", 72, 0.0)),
)  # fmt: skip

RECIPES = {recipe.name: recipe for recipe in (DEMO, PAPER, ORIGINAL)}


def get_recipe(name, **overrides):
    """Returns a recipe by name, with fields replaced.

    Raises:
        ValueError: on an unknown name, or a field with a value that is not allowed.
    """
    if name not in RECIPES:
        raise ValueError(f"Unknown recipe. Allowed: {', '.join(sorted(RECIPES))}. Received: recipe={name!r}")
    if overrides.get("epochs") and not overrides.get("steps"):
        overrides["steps"] = None
    return dataclasses.replace(RECIPES[name], **overrides)
