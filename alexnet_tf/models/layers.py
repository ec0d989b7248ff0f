"""The layers that Keras lacks, as registered and serializable Keras layers."""

import functools
import math
import operator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.models.lowering import Lowerable, inverse_power

# (batch, height, width, channels); None where it is unknown.
Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable("alexnet_tf")
class GroupedConv2D(Lowerable, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with a faster lowering of grouped convolutions.

    Keras compiles a grouped convolution with XLA on every device. On a CPU that is several times slower than one plain
    convolution per group. Variables, names and numbers are those of Keras; only the operations differ.

    Shapes: (batch, height, width, channels) to (batch, new height, new width, filters), the layer's compute dtype.

    Args:
        lowering: how `groups > 1` is computed. `"split"`: one convolution per group, concatenated; for training, a
            SavedModel and converters. `"grouped"`: one operation whose kernel shape implies the groups; for TFLite,
            where it becomes a single CONV_2D.
        *args, **kwargs: as `keras.layers.Conv2D`; `data_format` must be `"channels_last"`.

    Raises:
        UserError: if `lowering` is unknown or the data format is not channels last.

    Example:
        >>> GroupedConv2D(256, 5, padding="same", groups=2)(tf.zeros([1, 27, 27, 96])).shape
        TensorShape([1, 27, 27, 256])

    Reference: section 3.5 of the paper (the two towers).
    """

    lowerings = ("split", "grouped")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.data_format != "channels_last":
            raise UserError(f"data_format must be 'channels_last', got {self.data_format!r}")

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if self.groups == 1:
            return super().convolution_op(inputs, kernel)
        if self.lowering == "grouped":
            return self._convolve(inputs, kernel)
        towers = zip(
            tf.split(inputs, self.groups, axis=-1),
            tf.split(tf.convert_to_tensor(kernel), self.groups, axis=-1),
            strict=True,
        )
        return tf.concat([self._convolve(*tower) for tower in towers], axis=-1)

    def _convolve(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)


@keras.saving.register_keras_serializable("alexnet_tf")
class LocalResponseNormalization(Lowerable, keras.layers.Layer):
    """Divides each activation by `(bias + alpha * Σ a²) ** beta`, the sum over neighboring channels.

    Computed in float32 under every policy: in float16, `tf.nn.local_response_normalization` returns 0 or NaN for
    activations above about 250, and on a CPU it has no bfloat16 kernel.

    Shapes: (batch, height, width, channels), unchanged; the layer's compute dtype.

    Args:
        depth_radius: neighbors on each side; the sum is over n = 2 * depth_radius + 1 channels.
        bias: the paper's k.
        alpha: the paper's α, not divided by n.
        beta: the exponent.
        groups: number of towers; each is normalized separately.
        lowering: how it is computed. `"fused"`: `tf.nn.local_response_normalization`, for training. The others are for
            runtimes that have no fast kernel of that operation: they add up the squares of the neighbors as shifted
            `"slices"`, or by a convolution with a constant `"band"` matrix.

    Raises:
        UserError: if the channels cannot be divided among the groups, or `lowering` is unknown.

    Example:
        >>> LocalResponseNormalization(groups=2)(tf.ones([1, 55, 55, 96])).shape
        TensorShape([1, 55, 55, 96])

    Reference: section 3.3 of the paper; `layers/layers-145.cfg` for the towers.
    """

    lowerings = ("fused", "slices", "band")

    def __init__(
        self,
        depth_radius: int = 2,
        bias: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        groups: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.depth_radius = depth_radius
        self.bias = bias
        self.alpha = alpha
        self.beta = beta
        self.groups = groups

    def build(self, input_shape: tuple[Any, ...]) -> None:
        if input_shape[-1] % self.groups:
            raise UserError(f"channels must be divisible by groups={self.groups}, got {input_shape[-1]}")
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width = _sides(inputs)
        channels = inputs.shape[-1]
        # The operation works along the last axis: with the towers moved into the width axis, it cannot mix them.
        towers = tf.reshape(tf.cast(inputs, tf.float32), (-1, height, width * self.groups, channels // self.groups))
        return tf.cast(tf.reshape(self._normalize(towers), (-1, height, width, channels)), self.compute_dtype)

    def _normalize(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.lowering == "fused":
            return tf.nn.local_response_normalization(inputs, self.depth_radius, self.bias, self.alpha, self.beta)
        # Scaled before they are squared, because a phone's GPU computes in float16: it has no number above 65504.
        squares = tf.square(inputs * math.sqrt(self.alpha))
        return inputs * inverse_power(self.bias + self._neighbor_sums(squares), self.beta)

    def _neighbor_sums(self, squares: tf.Tensor) -> tf.Tensor:
        """The sums over neighboring channels, zeros beyond the first and the last."""
        channels, radius = squares.shape[-1], self.depth_radius
        if self.lowering == "band":
            distance = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels)))
            return tf.nn.conv2d(squares, (distance <= radius).astype(np.float32)[None, None], 1, "VALID")
        padded = tf.pad(squares, [[0, 0], [0, 0], [0, 0], [radius, radius]])
        slices = (padded[..., shift : shift + channels] for shift in range(2 * radius + 1))
        return functools.reduce(operator.add, slices)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"depth_radius": self.depth_radius, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own, "groups": self.groups}


@keras.saving.register_keras_serializable("alexnet_tf")
class SpatialNormalization(Lowerable, keras.layers.Layer):
    """Multiplies each activation by `(1 + alpha / size² * Σ a²) ** -beta`, the sum over a window of its own channel.

    The window of `size` by `size` positions is clipped at the borders. Computed in float32 under every policy.

    Shapes: (batch, height, width, channels), unchanged; the layer's compute dtype.

    Args:
        size: odd side of the window in positions.
        alpha: strength, divided by the area of the full window.
        beta: the exponent.
        lowering: how the power is computed: `"power"`, for training, or by square `"roots"`, which other runtimes than
            TensorFlow vectorize.

    Raises:
        UserError: if `size` is not odd, or `lowering` is unknown.

    Example:
        >>> SpatialNormalization()(tf.ones([1, 27, 27, 256])).shape
        TensorShape([1, 27, 27, 256])

    Reference: layer `cnorm2` of `layers/layers-145.cfg`; the paper omits it.
    """

    lowerings = ("power", "roots")

    def __init__(self, size: int = 5, alpha: float = 0.001, beta: float = 0.75, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if size % 2 != 1:
            raise UserError(f"size must be odd, got {size}")
        self.size = size
        self.alpha = alpha
        self.beta = beta

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        inputs = tf.cast(inputs, tf.float32)
        margin = self.size // 2
        # Explicit zeros, because "SAME" average pooling divides by the area of the clipped window.
        squares = tf.pad(tf.square(inputs), [[0, 0], [margin, margin], [margin, margin], [0, 0]])
        mean_square = tf.nn.avg_pool2d(squares, self.size, 1, "VALID")
        base = 1 + self.alpha * mean_square
        factor = inverse_power(base, self.beta) if self.lowering == "roots" else base**-self.beta
        return tf.cast(inputs * factor, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable("alexnet_tf")
class CeilPadding2D(keras.layers.Layer):
    """Pads at the bottom and on the right, so that a "valid" window after it covers every pixel.

    This is how the 2012 code rounds output sides up, `1 + ceil((in - window) / stride)`: 224 pixels give 55.

    Shapes: (batch, height, width, channels) to (batch, height + rows, width + columns, channels), with
    `(window - height) % stride` rows and `(window - width) % stride` columns.

    Args:
        window: side of the window that follows, in pixels.
        stride: of that window, in pixels.
        fill: `"zero"` before a convolution, `"lowest"` before max pooling, which then ignores the padding.

    Raises:
        UserError: if `fill` is unknown.

    Example:
        >>> CeilPadding2D(11, 4)(tf.zeros([1, 224, 224, 3])).shape
        TensorShape([1, 227, 227, 3])

    Reference: `layer.py` of the 2012 code, the parsers of convolution and pooling layers.
    """

    def __init__(self, window: int, stride: int, fill: str = "zero", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if fill not in ("zero", "lowest"):
            raise UserError(f"fill must be 'zero' or 'lowest', got {fill!r}")
        self.window = window
        self.stride = stride
        self.fill = fill

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        value = 0 if self.fill == "zero" else inputs.dtype.min
        height, width = _sides(inputs)
        below, right = ((self.window - side) % self.stride for side in (height, width))
        return tf.pad(inputs, [[0, 0], [0, below], [0, right], [0, 0]], constant_values=value)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        sides = (side and side + (self.window - side) % self.stride for side in (height, width))
        return (batch, *sides, channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "window": self.window, "stride": self.stride, "fill": self.fill}


def _sides(images: tf.Tensor) -> list[Any]:
    """Height and width of a batch: ints where they are known, else scalar tensors."""
    return [images.shape[axis] or tf.shape(images)[axis] for axis in (1, 2)]
