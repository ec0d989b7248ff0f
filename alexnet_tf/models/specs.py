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


def _initializers(stddev, bias, fan_in):
    """A weighted layer's start as keyword arguments of its Keras layer.

    Args:
        stddev: of N(0, stddev²); or `"he"`: N(0, 2 / fan-in); or `"torch"`: uniform within 1 / sqrt(fan-in).
        bias: a constant, or `"torch"` for the same interval.
        fan_in: inputs of one unit.
    """
    limit = fan_in**-0.5
    if stddev == "torch":
        kernel = keras.initializers.RandomUniform(-limit, limit)
    else:
        kernel = keras.initializers.RandomNormal(stddev=2**0.5 * limit if stddev == "he" else stddev)
    if bias == "torch":
        return {"kernel_initializer": kernel, "bias_initializer": keras.initializers.RandomUniform(-limit, limit)}
    return {"kernel_initializer": kernel, "bias_initializer": keras.initializers.Constant(bias)}


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution. `padding`: "same", "valid", pixels, or "ceil" (the 2012 code: the output side is rounded up)."""

    name: str
    filters: int
    kernel: int
    stride: int = 1
    padding: str | int = "same"
    groups: int = 1
    stddev: float | str = 0.01
    bias: float | str = 0.0

    def layers(self, shape, name):
        padding, before = _explicit_padding(self.padding, shape, self.kernel, self.stride, name, fill="zero")
        conv = GroupedConv2D(
            self.filters, self.kernel, strides=self.stride, padding=padding, groups=self.groups, name=self.name,
            **_initializers(self.stddev, self.bias, self.kernel**2 * shape[-1] // self.groups),
        )  # fmt: skip
        return [*before, conv]


@dataclasses.dataclass(frozen=True)
class Dense:
    """A fully connected layer."""

    name: str
    units: int
    stddev: float | str = 0.01
    bias: float | str = 0.0
    dtype: str | None = None

    def layers(self, shape, name):
        start = _initializers(self.stddev, self.bias, shape[-1])
        return [keras.layers.Dense(self.units, dtype=self.dtype, name=self.name, **start)]


@dataclasses.dataclass(frozen=True)
class Scale:
    """Division of each input channel by its deviation in gray levels."""

    deviations: tuple

    def layers(self, shape, name):
        return [keras.layers.Rescaling([1 / deviation for deviation in self.deviations], name=name("scale"))]


@dataclasses.dataclass(frozen=True)
class BatchNorm:
    """Batch normalization of each channel."""

    momentum: float = 0.9

    def layers(self, shape, name):
        # Over the global batch, so that the number of devices changes nothing.
        options = {"momentum": self.momentum, "epsilon": 1e-5, "synchronized": True}
        return [keras.layers.BatchNormalization(name=name("bn"), **options)]


@dataclasses.dataclass(frozen=True)
class Activation:
    """A pointwise nonlinearity, by its Keras name."""

    function: str

    def layers(self, shape, name):
        return [keras.layers.Activation(self.function, name=name(self.function))]


@dataclasses.dataclass(frozen=True)
class LRN:
    """Local response normalization; `groups` towers are normalized apart."""

    depth_radius: int
    bias: float
    alpha: float
    beta: float
    groups: int = 1

    def layers(self, shape, name):
        return [LocalResponseNormalization(**dataclasses.asdict(self), name=name("norm"))]


@dataclasses.dataclass(frozen=True)
class SpatialNorm:
    """Normalization over a window of the same channel (the code's `cnorm2`)."""

    size: int = 5
    alpha: float = 0.001
    beta: float = 0.75

    def layers(self, shape, name):
        return [SpatialNormalization(**dataclasses.asdict(self), name=name("cnorm"))]


@dataclasses.dataclass(frozen=True)
class MaxPool:
    """Overlapping max pooling (section 3.4). `padding`: "valid", "same" or "ceil"; what is padded never wins."""

    size: int = 3
    stride: int = 2
    padding: str = "valid"

    def layers(self, shape, name):
        padding, before = _explicit_padding(self.padding, shape, self.size, self.stride, name, fill="lowest")
        return [*before, keras.layers.MaxPooling2D(self.size, self.stride, padding, name=name("pool"))]


@dataclasses.dataclass(frozen=True)
class AveragePool:
    """Average pooling. `padding`: "valid" or "same"; what is padded does not count in the average."""

    size: int = 2
    stride: int = 2
    padding: str = "valid"

    def layers(self, shape, name):
        return [keras.layers.AveragePooling2D(self.size, self.stride, self.padding, name=name("pool"))]


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


def _explicit_padding(padding, shape, window, stride, name, fill):
    """Keras' padding argument, and the layers that must come before, so that it is never more than Keras offers."""
    name = name("pad" if fill == "zero" else "poolpad")
    if padding == "ceil":
        extra = [-(side - window) % stride for side in shape[:2]]
        return "valid", [CeilPadding2D(extra, fill, name=name)] if any(extra) else []
    if isinstance(padding, int):
        return "valid", [keras.layers.ZeroPadding2D(padding, name=name)]
    return padding, []
