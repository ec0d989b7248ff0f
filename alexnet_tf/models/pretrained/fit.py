"""Puts arrays of another framework's layout into a Keras network."""

import warnings

import numpy as np


class WeightsWarning(UserWarning):
    """Some layers keep their fresh weights."""


def fit(model, arrays, source, channels_first, bgr=False, fresh=()):
    """Assigns what fits and names what does not.

    A network with other classes, another input size or without its top still takes every layer that fits; the
    convolutions must all do.

    Args:
        model: `keras.Model` made by `AlexNet`.
        arrays: dict from layer name to the arrays of its weights, in order.
        source: name of the file, for messages.
        channels_first: whether the arrays have Caffe's and PyTorch's layout: kernels (out, in / groups, height,
            width) or (out, in), of which the first after flattening counts channels first.
        bgr: whether the first kernel sees blue, green, red.
        fresh: names of layers that are left as they are, whether theirs would fit or not.

    Returns:
        The names of the other layers that did not fit.

    Raises:
        ValueError: if a convolution is missing or has another shape: these are another network's weights.

    Warns:
        WeightsWarning: with the layers that did not fit.
    """
    left_out = []
    fitting = {}
    for layer in (layer for layer in model.layers if layer.weights and layer.name not in fresh):
        wanted = [tuple(variable.shape) for variable in layer.weights]
        found = arrays.get(layer.name, [])
        if channels_first:
            found = _channels_last(layer, found, model)
        if [array.shape for array in found] == wanted:
            fitting[layer] = found
        else:
            found = [array.shape for array in arrays.get(layer.name, [])]
            left_out.append(f"{layer.name} (wanted {wanted}, the file has {found or 'none'})")
    convolutions = [layer.name for layer in model.layers if layer.name.startswith("conv")]
    missing = [text for text in left_out if text.split()[0] in convolutions]
    if missing:
        raise ValueError(f"weights are another network's: {'; '.join(missing)}. Received: {source!r}")
    for number, (layer, found) in enumerate(fitting.items()):
        if bgr and number == 0:
            found = [found[0][:, :, ::-1], *found[1:]]
        layer.set_weights(found)
    if left_out:
        warnings.warn(f"these layers start fresh: {'; '.join(left_out)}", WeightsWarning, stacklevel=4)
    return [text.split()[0] for text in left_out]


def _channels_last(layer, arrays, model):
    """From (out, in, height, width) to (height, width, in, out); from (out, in) to (in, out)."""
    if not arrays:
        return []
    kernel, *rest = arrays
    if kernel.ndim == 4:
        kernel = kernel.transpose(2, 3, 1, 0)
    elif kernel.ndim == 2 and _first_after_flatten(layer, model):
        kernel = _from_channels_first(kernel, model.get_layer("flatten").input.shape[1:])
    elif kernel.ndim == 2:
        kernel = kernel.T
    return [np.ascontiguousarray(array) for array in (kernel, *rest)]


def _first_after_flatten(layer, model):
    names = [each.name for each in model.layers if each.weights or each.name == "flatten"]
    return "flatten" in names and names.index(layer.name) == names.index("flatten") + 1


def _from_channels_first(kernel, shape):
    """Caffe and PyTorch flatten channels first, Keras channels last: the inputs of fc6 change places."""
    height, width, channels = shape
    if kernel.shape[1] != height * width * channels:
        return kernel.T
    maps = kernel.reshape(-1, channels, height, width)
    return maps.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])
