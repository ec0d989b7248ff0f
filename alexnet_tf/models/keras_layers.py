"""From layer specifications to Keras layers."""

import dataclasses
import functools
from typing import Any

import keras

from alexnet_tf.errors import UserError
from alexnet_tf.models import specs
from alexnet_tf.models.layers import (
    CeilPadding2D,
    GroupedConv2D,
    LocalResponseNormalization,
    SpatialNormalization,
)

Layers = list[keras.layers.Layer]
# (height, width, channels) or (features,), as ints; an unknown height or width is None.
InputShape = tuple[Any, ...]


@functools.singledispatch
def make_layers(spec: specs.LayerSpec, shape: InputShape, number: str) -> Layers:
    """Makes the Keras layers of a specification, in the order in which they are applied.

    Args:
        spec: a specification of `alexnet_tf.models.specs`.
        shape: of the input, without the batch.
        number: ends the names of layers that have no name of their own (`relu1`).
    """
    raise TypeError(f"spec must be one of alexnet_tf.models.specs, got {spec!r}")


@make_layers.register
def _(spec: specs.Conv, shape: InputShape, number: str) -> Layers:
    padding, before = _explicit_padding(spec.padding, shape, spec.kernel, spec.stride, f"pad{number}", fill="zero")
    conv = GroupedConv2D(
        spec.filters, spec.kernel, strides=spec.stride, padding=padding, groups=spec.groups, name=spec.name,
        **_initializers(spec.kernel_init, spec.bias_init, spec.kernel**2 * shape[-1] // spec.groups),
    )  # fmt: skip
    return [*before, conv]


@make_layers.register
def _(spec: specs.Dense, shape: InputShape, number: str) -> Layers:
    initializers = _initializers(spec.kernel_init, spec.bias_init, shape[-1])
    return [keras.layers.Dense(spec.units, use_bias=spec.use_bias, dtype=spec.dtype, name=spec.name, **initializers)]


@make_layers.register
def _(spec: specs.Scale, shape: InputShape, number: str) -> Layers:
    if shape[-1] != len(spec.deviations):
        raise UserError(f"input_shape must have {len(spec.deviations)} channels, got {shape[-1]}")
    return [keras.layers.Rescaling([1 / deviation for deviation in spec.deviations], name=f"scale{number}")]


@make_layers.register
def _(spec: specs.BatchNorm, shape: InputShape, number: str) -> Layers:
    # Over the global batch, so that results do not depend on the number of devices.
    options = {"momentum": spec.momentum, "epsilon": 1e-5, "synchronized": True}
    return [keras.layers.BatchNormalization(name=f"bn{number}", **options)]


@make_layers.register
def _(spec: specs.Activation, shape: InputShape, number: str) -> Layers:
    return [keras.layers.Activation(spec.function, name=f"{spec.function}{number}")]


@make_layers.register
def _(spec: specs.LRN, shape: InputShape, number: str) -> Layers:
    return [LocalResponseNormalization(**dataclasses.asdict(spec), name=f"norm{number}")]


@make_layers.register
def _(spec: specs.SpatialNorm, shape: InputShape, number: str) -> Layers:
    return [SpatialNormalization(**dataclasses.asdict(spec), name=f"cnorm{number}")]


@make_layers.register
def _(spec: specs.MaxPool, shape: InputShape, number: str) -> Layers:
    padding, before = _explicit_padding(spec.padding, shape, spec.size, spec.stride, f"poolpad{number}", fill="lowest")
    return [*before, keras.layers.MaxPooling2D(spec.size, spec.stride, padding, name=f"pool{number}")]


@make_layers.register
def _(spec: specs.AveragePool, shape: InputShape, number: str) -> Layers:
    return [keras.layers.AveragePooling2D(spec.size, spec.stride, spec.padding, name=f"pool{number}")]


@make_layers.register
def _(spec: specs.Flatten, shape: InputShape, number: str) -> Layers:
    return [keras.layers.Flatten(name="flatten")]


@make_layers.register
def _(spec: specs.Dropout, shape: InputShape, number: str) -> Layers:
    factor = [] if spec.factor == 1 else [keras.layers.Rescaling(spec.factor, name=f"factor{number}")]
    return [keras.layers.Dropout(spec.rate, name=f"drop{number}"), *factor]


def _initializers(kernel_init: float | str, bias_init: float | str, fan_in: int) -> dict[str, Any]:
    """The initializers of a weighted layer as keyword arguments of its Keras layer; `fan_in`: inputs of one unit."""
    limit = fan_in**-0.5
    if kernel_init == "fan_in_uniform":
        kernel = keras.initializers.RandomUniform(-limit, limit)
    else:
        kernel = keras.initializers.RandomNormal(stddev=2**0.5 * limit if kernel_init == "he" else kernel_init)
    if bias_init == "fan_in_uniform":
        return {"kernel_initializer": kernel, "bias_initializer": keras.initializers.RandomUniform(-limit, limit)}
    return {"kernel_initializer": kernel, "bias_initializer": keras.initializers.Constant(bias_init)}


def _explicit_padding(
    padding: str | int, shape: InputShape, window: int, stride: int, name: str, fill: str
) -> tuple[str, Layers]:
    """Keras' `padding` argument, and the layers that pad before where Keras has no such padding."""
    if padding == "ceil":
        # Left out where the window covers every pixel anyway, which keeps exports free of empty operations.
        needed = any(side is None or (window - side) % stride for side in shape[:2])
        return "valid", [CeilPadding2D(window, stride, fill, name=name)] if needed else []
    if isinstance(padding, int):
        return "valid", [keras.layers.ZeroPadding2D(padding, name=name)]
    return padding, []
