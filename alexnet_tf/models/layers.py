"""The layers that Keras lacks, as registered and serializable Keras layers."""

import contextlib

import keras
import tensorflow as tf

LOWERINGS = ("split", "grouped")


@keras.saving.register_keras_serializable("alexnet_tf")
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` whose grouped case is lowered to what runs fastest.

    Keras compiles a grouped convolution with XLA on every device, which on a CPU is several times slower than one
    plain convolution a group. Same variables, same names, same numbers; only the operations differ.

    Shapes: (batch, height, width, channels) to (batch, new height, new width, filters), the layer's compute dtype.

    Args:
        lowering: how `groups > 1` is computed. `"split"`: one convolution a group, then concatenated; right for
            training, for a SavedModel and for converters. `"grouped"`: one operation whose kernel shape implies
            the groups; right for TFLite, where it becomes a single CONV_2D.
        *args, **kwargs: as `keras.layers.Conv2D`; `data_format` must be `"channels_last"`.

    Raises:
        ValueError: if `lowering` is unknown or the data format is not channels last.

    Example:
        >>> GroupedConv2D(256, 5, padding="same", groups=2)(tf.zeros([1, 27, 27, 96])).shape
        TensorShape([1, 27, 27, 256])

    Reference: section 3.5 of the paper (the two towers).
    """

    def __init__(self, *args, lowering="split", **kwargs):
        super().__init__(*args, **kwargs)
        if lowering not in LOWERINGS:
            raise ValueError(f"lowering must be one of {LOWERINGS}. Received: lowering={lowering!r}")
        if self.data_format != "channels_last":
            raise ValueError(f"data_format must be 'channels_last'. Received: data_format={self.data_format!r}")
        self.lowering = lowering

    def convolution_op(self, inputs, kernel):
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

    def _convolve(self, inputs, kernel):
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)

    def get_config(self):
        return {**super().get_config(), "lowering": self.lowering}


@contextlib.contextmanager
def lowered(model, lowering):
    """Within the context, whatever is traced of `model` uses that lowering of its grouped convolutions."""
    layers = [layer for layer in model.layers if isinstance(layer, GroupedConv2D)]
    before = [layer.lowering for layer in layers]
    try:
        for layer in layers:
            layer.lowering = lowering
        yield model
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.lowering = value


@keras.saving.register_keras_serializable("alexnet_tf")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each activation by `(bias + alpha * Σ a²) ** beta`, the sum over neighboring channels.

    Computed by `tf.nn.local_response_normalization`, in float32 under every policy: in float16 that operation
    returns 0 or NaN from activations of about 250 on, and on a CPU it has no bfloat16 kernel.

    Shapes: (batch, height, width, channels), unchanged; the layer's compute dtype.

    Args:
        depth_radius: neighbors on each side; n = 2 * depth_radius + 1 channels are summed.
        bias: the paper's k.
        alpha: the paper's α, not divided by n.
        beta: the exponent.
        groups: number of towers; sums do not reach from one tower into another.

    Raises:
        ValueError: if the channels cannot be divided among the groups.

    Example:
        >>> LocalResponseNormalization(groups=2)(tf.ones([1, 55, 55, 96])).shape
        TensorShape([1, 55, 55, 96])

    Reference: section 3.3 of the paper; `layers/layers-145.cfg` for the towers.
    """

    def __init__(self, depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75, groups=1, **kwargs):
        super().__init__(**kwargs)
        self.depth_radius = depth_radius
        self.bias = bias
        self.alpha = alpha
        self.beta = beta
        self.groups = groups

    def build(self, input_shape):
        if input_shape[-1] % self.groups:
            raise ValueError(
                f"channels must be divisible by groups={self.groups}. Received: channels={input_shape[-1]}"
            )
        self.built = True

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        # The operation works along the last axis, so a view with the towers in the width axis keeps them apart.
        towers = tf.reshape(tf.cast(inputs, tf.float32), (-1, height, width * self.groups, channels // self.groups))
        normalized = tf.nn.local_response_normalization(towers, self.depth_radius, self.bias, self.alpha, self.beta)
        return tf.cast(tf.reshape(normalized, (-1, height, width, channels)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {"depth_radius": self.depth_radius, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own, "groups": self.groups}


@keras.saving.register_keras_serializable("alexnet_tf")
class SpatialNormalization(keras.layers.Layer):
    """Multiplies each activation by `(1 + alpha / size² * Σ a²) ** -beta`, the sum over its own channel's window.

    The window of `size` by `size` positions is clipped at the borders. Computed in float32 under every policy.

    Shapes: (batch, height, width, channels), unchanged; the layer's compute dtype.

    Args:
        size: odd side of the window in positions.
        alpha: strength, divided by the area of the full window.
        beta: the exponent.

    Raises:
        ValueError: if `size` is not odd.

    Example:
        >>> SpatialNormalization()(tf.ones([1, 27, 27, 256])).shape
        TensorShape([1, 27, 27, 256])

    Reference: layer `cnorm2` of `layers/layers-145.cfg`; the paper omits it.
    """

    def __init__(self, size=5, alpha=0.001, beta=0.75, **kwargs):
        super().__init__(**kwargs)
        if size % 2 != 1:
            raise ValueError(f"size must be odd. Received: size={size}")
        self.size = size
        self.alpha = alpha
        self.beta = beta

    def call(self, inputs):
        inputs = tf.cast(inputs, tf.float32)
        margin = self.size // 2
        # Explicit zeros: "SAME" average pooling would divide by the clipped window's area instead.
        squares = tf.pad(tf.square(inputs), [[0, 0], [margin, margin], [margin, margin], [0, 0]])
        mean_square = tf.nn.avg_pool2d(squares, self.size, 1, "VALID")
        return tf.cast(inputs * (1 + self.alpha * mean_square) ** -self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "size": self.size, "alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable("alexnet_tf")
class CeilPadding2D(keras.layers.Layer):
    """Pads below and to the right, so that a "valid" window after it covers every pixel.

    This is how the 2012 code rounds output sides up, `1 + ceil((in - window) / stride)`: 224 pixels give 55.

    Shapes: (batch, height, width, channels) to (batch, height + extra[0], width + extra[1], channels).

    Args:
        extra: rows below, columns on the right.
        fill: `"zero"` before a convolution, `"lowest"` before max pooling, which then ignores the padding.

    Raises:
        ValueError: if `fill` is unknown.

    Reference: `layer.py` of the 2012 code, the parsers of convolution and pooling layers.
    """

    def __init__(self, extra, fill="zero", **kwargs):
        super().__init__(**kwargs)
        if fill not in ("zero", "lowest"):
            raise ValueError(f"fill must be 'zero' or 'lowest'. Received: fill={fill!r}")
        self.extra = tuple(extra)
        self.fill = fill

    def call(self, inputs):
        value = 0 if self.fill == "zero" else inputs.dtype.min
        below, right = self.extra
        return tf.pad(inputs, [[0, 0], [0, below], [0, right], [0, 0]], constant_values=value)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, height + self.extra[0], width + self.extra[1], channels

    def get_config(self):
        return {**super().get_config(), "extra": self.extra, "fill": self.fill}
