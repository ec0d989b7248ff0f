"""A network's weights in the layout of Caffe and PyTorch: the reverse of what `fit` does."""

import keras
import numpy as np

from alexnet_tf.models.pretrained.weight_file import Array


def channels_first(model: keras.Model, bgr: bool = False) -> dict[str, list[Array]]:
    """Returns the weights of each layer.

    Args:
        model: `keras.Model` made by `AlexNet`.
        bgr: whether to give the first kernel's input channels the order blue, green, red.

    Returns:
        From layer name to float32 arrays in the order of `layer.weights`: kernels (out, in / groups, height, width) or
        (out, in), with the inputs of the first dense layer flattened channels first.
    """
    layers: dict[str, list[Array]] = {}
    maps = None
    for layer in model.layers:
        if isinstance(layer, keras.layers.Flatten):
            maps = layer.input.shape[1:]
        if not layer.weights:
            continue
        kernel, *others = (variable.numpy().astype(np.float32, copy=False) for variable in layer.weights)
        if bgr and not layers:
            kernel = kernel[:, :, ::-1]
        if maps is not None:  # The first dense layer.
            height, width, channels = maps
            kernel = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
            maps = None
        if kernel.ndim == 4:
            kernel = kernel.transpose(3, 2, 0, 1)
        layers[layer.name] = [np.ascontiguousarray(kernel.T if kernel.ndim == 2 else kernel), *others]
    return layers
