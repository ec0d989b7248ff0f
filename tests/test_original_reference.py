"""Net 145 at full size, stage by stage, against the 2012 semantics written down in float64 NumPy."""

import keras
import numpy as np
import pytest
from helpers import assert_close, enliven, figures

from alexnet_tf.models.builder import AlexNet


def _convolve(maps, kernel, bias, stride, padding, groups=1):
    """`padding`: zeros on each side; the output side is 1 + ceil((2 padding + in - filter) / stride)."""
    side, size = maps.shape[0], kernel.shape[0]
    out = 1 + -(-(2 * padding + side - size) // stride)
    padded = np.zeros(((out - 1) * stride + size,) * 2 + maps.shape[2:])
    kept = min(side, len(padded) - padding)
    padded[padding : padding + kept, padding : padding + kept] = maps[:kept, :kept]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (0, 1))[::stride, ::stride]
    towers = []
    for part, own in zip(np.split(windows, groups, 2), np.split(kernel, groups, 3), strict=True):
        towers.append(np.tensordot(part, own, ((3, 4, 2), (0, 1, 2))))
    return np.concatenate(towers, -1) + bias


def _normalize(maps):
    """Within each of two towers, k 2, alpha 1e-4 divided by n = 5, beta .75."""
    towers = []
    for tower in np.split(maps, 2, -1):
        squares = np.pad(tower**2, ((0, 0), (0, 0), (2, 2)))
        total = sum(squares[..., i : i + tower.shape[-1]] for i in range(5))
        towers.append(tower * (2 + 1e-4 / 5 * total) ** -0.75)
    return np.concatenate(towers, -1)


def _spatial(maps):
    """Over a 5 by 5 window of the same channel, clipped at the borders."""
    squares = np.pad(maps**2, ((2, 2), (2, 2), (0, 0)))
    side = maps.shape[0]
    total = sum(squares[y : y + side, x : x + side] for y in range(5) for x in range(5))
    return maps * (1 + 0.001 / 25 * total) ** -0.75


def _pool(maps):
    """Maximum over 3 by 3 at stride 2, output side 1 + ceil((in - 3) / 2); what hangs over is ignored."""
    out = 1 + -(-(maps.shape[0] - 3) // 2)
    actual = np.empty((out, out, maps.shape[2]))
    for y in range(out):
        for x in range(out):
            actual[y, x] = maps[2 * y : 2 * y + 3, 2 * x : 2 * x + 3].max((0, 1))
    return actual


def _relu(values):
    return np.maximum(values, 0)


def _stages(image, weights):
    """Yields (layer name, its output) for every stage of the network."""
    values = image
    conv = {"conv1": (4, 0, 1), "conv2": (1, 2, 2), "conv3": (1, 1, 1), "conv4": (1, 1, 2), "conv5": (1, 1, 2)}
    after = {
        "conv1": (("norm1", _normalize), ("pool1", _pool), ("relu1", _relu)),
        "conv2": (("relu2", _relu), ("norm2", _normalize), ("cnorm2", _spatial), ("pool2", _pool)),
        "conv3": (("relu3", _relu),),
        "conv4": (("relu4", _relu),),
        "conv5": (("pool5", _pool), ("relu5", _relu)),
    }
    for name, (stride, padding, groups) in conv.items():
        values = _convolve(values, *weights[name], stride, padding, groups)
        yield name, values
        for stage, function in after[name]:
            values = function(values)
            yield stage, values
    values = values.reshape(-1)
    for name in ("fc6", "fc7", "fc8"):
        kernel, bias = weights[name]
        values = values @ kernel + bias
        yield name, values
        if name != "fc8":
            values = _relu(values) * 0.5
            yield f"factor{name[-1]}", values
    shifted = np.exp(values - values.max())
    yield "probabilities", shifted / shifted.sum()


@pytest.mark.slow
def test_every_stage():
    model = enliven(AlexNet("original"))
    image = figures(1, 224).astype(np.float32) - 127
    weights = {
        layer.name: [w.numpy().astype(np.float64) for w in layer.weights] for layer in model.layers if layer.weights
    }
    stages = dict(_stages(image[0].astype(np.float64), weights))
    actual = keras.Model(model.inputs, {name: model.get_layer(name).output for name in stages})(image)
    assert len(stages) == 22
    for name, expected in stages.items():
        ours = actual[name].numpy()[0]
        assert ours.shape == expected.shape, name
        assert_close(name, ours, expected, 1e-4)
