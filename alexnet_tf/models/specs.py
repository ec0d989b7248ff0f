"""The parts of a preset: frozen dataclasses that describe layers and need neither Keras nor TensorFlow.

A specification knows the shape and the number of trainable parameters of what it describes; `keras_layers` makes the
Keras layers. Shapes are (height, width, channels) or (features,), without the batch.
"""

import dataclasses
import math

from alexnet_tf.errors import UserError

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class LayerSpec:
    """A layer that changes neither the shape nor adds parameters, unless a subclass says otherwise."""

    def output_shape(self, shape: Shape) -> Shape:
        """The output shape for an input of `shape`; a side below 1 means that the input is too small."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """The number of trainable parameters for an input of `shape`."""
        return 0


@dataclasses.dataclass(frozen=True)
class WeightedSpec(LayerSpec):
    """A layer with a kernel and biases; it carries its own name (`conv1`, `fc6`).

    Attributes:
        name: the Keras layer's name, which ends in the layer's number.
    """

    name: str

    def kernel_shape(self, shape: Shape) -> Shape:
        """The shape of the kernel for an input of `shape`; its last axis counts the outputs."""
        raise NotImplementedError

    def parameters(self, shape: Shape) -> int:
        kernel = self.kernel_shape(shape)
        return math.prod(kernel) + kernel[-1]


@dataclasses.dataclass(frozen=True)
class Conv(WeightedSpec):
    """A convolution.

    Attributes:
        filters: output channels.
        kernel: side of the kernel in pixels.
        stride: in pixels.
        padding: "same", "valid", a number of pixels, or "ceil" (the 2012 code: the output side is rounded up).
        groups: towers that are convolved separately.
        kernel_init: standard deviation of N(0, kernel_init²); or "he": N(0, 2 / fan-in); or "fan_in_uniform": uniform
            within ±1 / sqrt(fan-in).
        bias_init: a constant, or "fan_in_uniform".
    """

    filters: int
    kernel: int
    stride: int = 1
    padding: str | int = "same"
    groups: int = 1
    kernel_init: float | str = 0.01
    bias_init: float | str = 0.0

    def output_shape(self, shape: Shape) -> Shape:
        sides = (_output_side(side, self.kernel, self.stride, self.padding) for side in shape[:2])
        return (*sides, self.filters)

    def kernel_shape(self, shape: Shape) -> Shape:
        return (self.kernel, self.kernel, shape[-1] // self.groups, self.filters)


@dataclasses.dataclass(frozen=True)
class Dense(WeightedSpec):
    """A fully connected layer.

    Attributes:
        units: output features.
        kernel_init, bias_init: as for `Conv`.
        dtype: Keras dtype policy of the layer; None for the policy in force.
        use_bias: whether it has biases.
    """

    units: int
    kernel_init: float | str = 0.01
    bias_init: float | str = 0.0
    dtype: str | None = None
    use_bias: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def kernel_shape(self, shape: Shape) -> Shape:
        return (*shape, self.units)

    def parameters(self, shape: Shape) -> int:
        return super().parameters(shape) - (0 if self.use_bias else self.units)


@dataclasses.dataclass(frozen=True)
class Scale(LayerSpec):
    """Division of each input channel by its standard deviation in gray levels."""

    deviations: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class BatchNorm(LayerSpec):
    """Batch normalization of each channel."""

    momentum: float = 0.9

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[-1]


@dataclasses.dataclass(frozen=True)
class Activation(LayerSpec):
    """A pointwise nonlinearity, by its Keras name."""

    function: str


RELU = Activation("relu")


@dataclasses.dataclass(frozen=True)
class LRN(LayerSpec):
    """Local response normalization; see `layers.LocalResponseNormalization` for the fields."""

    depth_radius: int
    bias: float
    alpha: float
    beta: float
    groups: int = 1


@dataclasses.dataclass(frozen=True)
class SpatialNorm(LayerSpec):
    """Normalization over a window of the same channel (the 2012 code's `cnorm2`); see `layers.SpatialNormalization`."""

    size: int = 5
    alpha: float = 0.001
    beta: float = 0.75


@dataclasses.dataclass(frozen=True)
class MaxPool(LayerSpec):
    """Overlapping max pooling (section 3.4). `padding`: "valid", "same" or "ceil"; padding never is the maximum."""

    size: int = 3
    stride: int = 2
    padding: str = "valid"

    def output_shape(self, shape: Shape) -> Shape:
        return (*(_output_side(side, self.size, self.stride, self.padding) for side in shape[:2]), shape[-1])


@dataclasses.dataclass(frozen=True)
class AveragePool(LayerSpec):
    """Average pooling. `padding`: "valid" or "same"; padding is left out of the average."""

    size: int = 2
    stride: int = 2
    padding: str = "valid"

    output_shape = MaxPool.output_shape


@dataclasses.dataclass(frozen=True)
class Flatten(LayerSpec):
    """Feature maps to features: by rows, then columns, then channels."""

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


@dataclasses.dataclass(frozen=True)
class Dropout(LayerSpec):
    """Keras' dropout, then a multiplication by `factor` in training and inference.

    Keras divides the values that it keeps by `1 - rate`. With `factor = 1 - rate` the two together are the paper's
    rule: an unscaled mask in training, a multiplication by `1 - rate` in inference.
    """

    rate: float
    factor: float = 1.0


def widened(spec: LayerSpec, factor: float) -> LayerSpec:
    """A copy of a specification with its filters or units multiplied by `factor`.

    Raises:
        UserError: if the result is not a whole number, or not divisible by the layer's groups.
    """
    if isinstance(spec, Conv):
        return dataclasses.replace(spec, filters=_scaled(spec.filters, factor, spec.name, "filters", spec.groups))
    if isinstance(spec, Dense):
        return dataclasses.replace(spec, units=_scaled(spec.units, factor, spec.name, "units", 1))
    return spec


def _scaled(width: int, factor: float, layer: str, unit: str, groups: int) -> int:
    scaled = width * factor
    if scaled < 1 or scaled != int(scaled) or int(scaled) % groups:
        raise UserError(
            f"width must give {layer} a whole number of {unit} that is divisible by its {groups} group(s), "
            f"got {factor}, which gives {scaled:g}"
        )
    return int(scaled)


def _output_side(side: int, window: int, stride: int, padding: str | int) -> int:
    """The number of positions of a sliding window along one side of the input."""
    if padding == "same":
        return -(-side // stride)
    if padding == "ceil":
        return 1 - (window - side) // stride
    if isinstance(padding, int):
        side += 2 * padding
    return (side - window) // stride + 1
