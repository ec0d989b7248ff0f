"""Assigns arrays by layer name to a Keras model, from our own or another framework's layout."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from alexnet_tf.errors import UserError

Arrays = Sequence[npt.NDArray[Any]]

SHAPE_MISMATCH = "shape mismatch"
NOT_IN_FILE = "not in the file"


class WeightsWarning(UserWarning):
    """Some layers keep their random initialization, because the weights have nothing that fits them."""


def fit(
    model: keras.Model,
    arrays: Mapping[str, Arrays],
    source: str,
    channels_first: bool,
    bgr: bool = False,
    fresh: Collection[str] = (),
) -> dict[str, str]:
    """Assigns the arrays that fit, and reports the layers that keep their random initialization.

    A model with other classes, another input size or without its top takes every layer that fits; all convolutions
    must fit.

    Args:
        model: `keras.Model` made by `AlexNet`.
        arrays: from layer name to the arrays of its weights, in the order of `layer.weights`.
        source: name of the file, for messages.
        channels_first: whether the arrays have the layout of Caffe and PyTorch: kernels (out, in / groups, height,
            width) or (out, in), with the inputs of the first dense layer flattened channels first.
        bgr: whether the first kernel's input channels are blue, green, red.
        fresh: names of layers to leave unchanged whether theirs fit or not.

    Returns:
        The other layers that were left unchanged, in the model's order: {layer name: `SHAPE_MISMATCH` or
        `NOT_IN_FILE`}. `reinitialized` writes it as text.

    Raises:
        UserError: if a convolution does not fit: these are another network's weights.

    Warns:
        WeightsWarning: with the layers that were left unchanged.
    """
    fitting, misfits = {}, {}
    for layer in (layer for layer in model.layers if layer.weights and layer.name not in fresh):
        given = arrays.get(layer.name, [])
        converted = _channels_last(layer, given, model) if channels_first else given
        if [array.shape for array in converted] == [tuple(variable.shape) for variable in layer.weights]:
            fitting[layer] = converted
        else:
            misfits[layer] = given
    _check_convolutions(misfits, source)
    first = next(layer for layer in model.layers if layer.weights)
    for layer, values in fitting.items():
        if bgr and layer is first:
            values = [values[0][:, :, ::-1], *values[1:]]
        layer.set_weights(values)
    reasons = {layer.name: SHAPE_MISMATCH if given else NOT_IN_FILE for layer, given in misfits.items()}
    if reasons:
        warnings.warn(f"{source}: {reinitialized(reasons)}", WeightsWarning, stacklevel=4)
    return reasons


def reinitialized(reasons: Mapping[str, str]) -> str:
    """What `fit` returned as text: "Reinitialized (shape mismatch): fc8. Reinitialized (not in the file): fc6, fc7"."""
    by_reason: dict[str, list[str]] = {}
    for layer, reason in reasons.items():
        by_reason.setdefault(reason, []).append(layer)
    return ". ".join(f"Reinitialized ({reason}): {', '.join(layers)}" for reason, layers in by_reason.items())


def _check_convolutions(misfits: Mapping[keras.layers.Layer, Arrays], source: str) -> None:
    problems = []
    for layer, given in misfits.items():
        if layer.name.startswith("conv"):
            needed = [tuple(variable.shape) for variable in layer.weights]
            shapes = f"file has {[array.shape for array in given]}" if given else NOT_IN_FILE
            problems.append(f"{layer.name} needs {needed}, {shapes}")
    if problems:
        raise UserError(f"weights must fit every convolution: {'; '.join(problems)}, got {source!r}")


def _channels_last(layer: keras.layers.Layer, arrays: Arrays, model: keras.Model) -> Arrays:
    """From (out, in, height, width) to (height, width, in, out); from (out, in) to (in, out)."""
    if not arrays:
        return []
    kernel, *rest = arrays
    if kernel.ndim == 4:
        kernel = kernel.transpose(2, 3, 1, 0)
    elif kernel.ndim == 2 and _first_after_flatten(layer, model):
        kernel = _flattened_channels_last(kernel, model.get_layer("flatten").input.shape[1:])
    elif kernel.ndim == 2:
        kernel = kernel.T
    return [np.ascontiguousarray(array) for array in (kernel, *rest)]


def _first_after_flatten(layer: keras.layers.Layer, model: keras.Model) -> bool:
    names = [each.name for each in model.layers if each.weights or each.name == "flatten"]
    return "flatten" in names and names.index(layer.name) == names.index("flatten") + 1


def _flattened_channels_last(kernel: npt.NDArray[Any], shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """Reorders the inputs of a dense kernel (out, in): Caffe and PyTorch flatten channels first, Keras last."""
    height, width, channels = shape
    if kernel.shape[1] != height * width * channels:
        return kernel.T
    maps = kernel.reshape(-1, channels, height, width)
    return maps.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])
