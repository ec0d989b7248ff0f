"""The parts a preset is made of: frozen dataclasses, each of which knows the Keras layers it stands for.

`spec.layers(shape, name)` returns a list of Keras layers for an input of `shape` (height, width, channels, or
features). Weighted layers carry their own name (`conv1`, `fc6`); the others are named after the last weighted
layer before them (`relu1`, `norm1`, `pool1`).
"""

import dataclasses

import keras

from alexnet_tf.models.layers import (
    CeilPadding2D,
    GroupedConv2D,
    LocalResponseNormalization,
    SpatialNormalization,
)


@dataclasses.dataclass(frozen=True)
class Initialization:
    """How a weighted layer starts: N(0, stddev²), or `"he"` for N(0, 2 / fan-in); one constant for its biases."""

    stddev: float | str = 0.01
    bias: float = 0.0

    def initializers(self):
        """The two as keyword arguments of a Keras layer."""
        if self.stddev == "he":
            kernel = keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")
        else:
            kernel = keras.initializers.RandomNormal(stddev=self.stddev)
        return {"kernel_initializer": kernel, "bias_initializer": keras.initializers.Constant(self.bias)}


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution. `padding`: "same", "valid", or "ceil" (the 2012 code: the output side is rounded up)."""

    name: str
    filters: int
    kernel: int
    stride: int = 1
    padding: str = "same"
    groups: int = 1
    stddev: float | str = 0.01
    bias: float = 0.0

    def layers(self, shape, name):
        padding, before = _ceil_padding(self.padding, shape, self.kernel, self.stride, name, fill="zero")
        conv = GroupedConv2D(
            self.filters, self.kernel, strides=self.stride, padding=padding, groups=self.groups, name=self.name,
            **Initialization(self.stddev, self.bias).initializers(),
        )  # fmt: skip
        return [*before, conv]


@dataclasses.dataclass(frozen=True)
class Dense:
    """A fully connected layer."""

    name: str
    units: int
    stddev: float | str = 0.01
    bias: float = 0.0

    def layers(self, shape, name):
        initializers = Initialization(self.stddev, self.bias).initializers()
        return [keras.layers.Dense(self.units, name=self.name, **initializers)]


@dataclasses.dataclass(frozen=True)
class Activation:
    """A pointwise nonlinearity, by its Keras name."""

    function: str

    def layers(self, shape, name):
        return [keras.layers.Activation(self.function, name=name(self.function))]


@dataclasses.dataclass(frozen=True)
class LRN:
    """Local response normalisation; `groups` towers are normalised apart."""

    depth_radius: int
    bias: float
    alpha: float
    beta: float
    groups: int = 1

    def layers(self, shape, name):
        return [LocalResponseNormalization(**dataclasses.asdict(self), name=name("norm"))]


@dataclasses.dataclass(frozen=True)
class SpatialNorm:
    """Normalisation over a window of the same channel (the code's `cnorm2`)."""

    size: int = 5
    alpha: float = 0.001
    beta: float = 0.75

    def layers(self, shape, name):
        return [SpatialNormalization(**dataclasses.asdict(self), name=name("cnorm"))]


@dataclasses.dataclass(frozen=True)
class MaxPool:
    """Overlapping max pooling (section 3.4). `padding`: "valid" or "ceil"."""

    size: int = 3
    stride: int = 2
    padding: str = "valid"

    def layers(self, shape, name):
        padding, before = _ceil_padding(self.padding, shape, self.size, self.stride, name, fill="lowest")
        return [*before, keras.layers.MaxPooling2D(self.size, self.stride, padding, name=name("pool"))]


@dataclasses.dataclass(frozen=True)
class AveragePool:
    """Average pooling."""

    size: int = 2
    stride: int = 2

    def layers(self, shape, name):
        return [keras.layers.AveragePooling2D(self.size, self.stride, name=name("pool"))]


@dataclasses.dataclass(frozen=True)
class Flatten:
    """From maps to features, height first and channels last."""

    def layers(self, shape, name):
        return [keras.layers.Flatten(name="flatten")]


@dataclasses.dataclass(frozen=True)
class Dropout:
    """Keras' dropout, then `factor` in training and in use.

    Keras divides what it keeps by `1 - rate`. With `factor = 1 - rate` the two together are the paper's rule:
    an unscaled mask in training, a multiplication by `1 - rate` in use.
    """

    rate: float
    factor: float = 1.0

    def layers(self, shape, name):
        factor = [] if self.factor == 1 else [keras.layers.Rescaling(self.factor, name=name("factor"))]
        return [keras.layers.Dropout(self.rate, name=name("drop")), *factor]


def widened(spec, factor):
    """A copy of a layer specification whose filters or units are multiplied by `factor`."""
    for field, groups in (("filters", getattr(spec, "groups", 1)), ("units", 1)):
        if hasattr(spec, field):
            width = getattr(spec, field) * factor
            if width < 1 or width != int(width) or int(width) % groups:
                raise ValueError(
                    f"width must leave {spec.name} a whole number of {field}, divisible by its {groups} group(s). "
                    f"Received: width={factor}, which gives {width:g}"
                )
            return dataclasses.replace(spec, **{field: int(width)})
    return spec


def _ceil_padding(padding, shape, window, stride, name, fill):
    """Keras' padding argument, and the layers that must come before so that "ceil" needs no more than "valid"."""
    if padding != "ceil":
        return padding, []
    extra = [-(side - window) % stride for side in shape[:2]]
    return "valid", [CeilPadding2D(extra, fill, name=name("pad" if fill == "zero" else "poolpad"))] if any(
        extra
    ) else []
