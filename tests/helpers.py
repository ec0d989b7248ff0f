"""What several test modules need: figures as inputs, weights that keep activations alive, files of other programs."""

import numpy as np
import torch

from alexnet_tf.data import shapes
from alexnet_tf.models.pretrained.caffe import Net


def figures(count, side):
    """Drawn figures as uint8 (count, side, side, 3)."""
    margin = (shapes.SIDE - side) // 2
    cut = slice(margin, margin + side)
    return np.stack([shapes.draw(0, "validation", i)[0][cut, cut] for i in range(count)])


def enliven(model, seed=0):
    """Gives a network weights with which activations neither die nor grow, biases included."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            fan_in = np.prod(layer.kernel.shape[:-1])
            scale = np.sqrt(2 / fan_in) / (60 if layer.name == "conv1" else 1)
            kernel = rng.standard_normal(layer.kernel.shape, np.float32) * np.float32(scale)
            layer.set_weights([kernel, rng.normal(0, 0.1, layer.bias.shape).astype(np.float32)])
    return model


def channels_first(model, bgr=False):
    """A network's weights as Caffe and PyTorch store them: {layer: (kernel, bias)}."""
    found = {}
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        kernel, bias = (weight.numpy() for weight in (layer.kernel, layer.bias))
        if layer.name == "conv1" and bgr:
            kernel = kernel[:, :, ::-1]
        if layer.name == "fc6":
            height, width, channels = model.get_layer("flatten").input.shape[1:]
            kernel = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        found[layer.name] = np.ascontiguousarray(kernel), bias
    return found


def state_dict(arrays):
    """A PyTorch state dict with our layers' names."""
    return {
        f"{name}.{part}": torch.from_numpy(array)
        for name, pair in arrays.items()
        for part, array in zip(("weight", "bias"), pair, strict=True)
    }


def caffemodel(arrays, v1):
    """The bytes of a `.caffemodel` with V1 layers and legacy sizes, or with newer ones."""
    net = Net(name="net")
    for name, blobs in arrays.items():
        layer = (net.layers if v1 else net.layer).add(name=name)
        if v1:
            layer.MergeFromString(bytes([5 << 3, 4 if blobs[0].ndim == 4 else 14]))  # type: CONVOLUTION, INNER_PRODUCT
        else:
            kind = b"Convolution" if blobs[0].ndim == 4 else b"InnerProduct"
            layer.MergeFromString(bytes([(2 << 3) + 2, len(kind)]) + kind)
        for array in blobs:
            blob = layer.blobs.add(data=array.astype("<f4").tobytes())
            if v1:
                blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - array.ndim) + array.shape
            else:
                blob.shape.dim.extend(array.shape)
    return net.SerializeToString()
