"""Writes a network as an ONNX graph from its input to its logits, without the package `onnx`."""

import functools
import os
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from alexnet_tf import storage
from alexnet_tf.models import specs
from alexnet_tf.models.preset import Preset
from alexnet_tf.models.pretrained import onnx_schema
from alexnet_tf.models.pretrained.layouts import channels_first
from alexnet_tf.models.pretrained.weight_file import TORCHVISION_LAYERS, Array

_OPSET, _IR_VERSION = 13, 7
_OPERATORS = {"relu": "Relu", "tanh": "Tanh"}


def write_onnx(model: keras.Model, preset: Preset, path: str | os.PathLike) -> None:
    """Writes a network, float32 and channels first, with tensors named as in other published files.

    For the preset `torchvision` as PyTorch's exporter names them (`features.0.weight`), with RGB input; for all others
    as the ONNX model zoo does (`conv1_w_0`, `conv1_b_0`), with BGR input. The input is (batch, channels, height,
    width), pixels minus the mean; the output is `logits` (batch, classes).

    Args:
        model: `keras.Model` made by `AlexNet` with its top.
        preset: of the model.
        path: of the file to write.

    Raises:
        SaveError: if it cannot be written.
    """
    graph = _Graph(model, preset)
    for spec in preset.layers:
        add_nodes(spec, graph)
    storage.write_bytes(path, graph.finished())


class _Graph:
    """A graph that grows by one layer at a time.

    Attributes:
        output: name of the last tensor.
        shape: of that tensor, (height, width, channels) or (features,).
        number: of the last layer with weights, as text.
    """

    def __init__(self, model: keras.Model, preset: Preset) -> None:
        bgr = preset.name != "torchvision"
        self._keys = {} if bgr else {ours: theirs for theirs, ours in TORCHVISION_LAYERS.items()}
        self.weights = channels_first(model, bgr)
        self.shape: specs.Shape = tuple(model.input_shape[1:])
        self.output = "data_0" if bgr else "input"
        self.number = ""
        self._model = onnx_schema.Model(ir_version=_IR_VERSION, producer_name="alexnet-tf")
        self._model.opset_import.add(domain="", version=_OPSET)
        self._model.graph.name = model.name
        height, width, channels = self.shape
        self._declare(self._model.graph.input.add(), self.output, (channels, height, width))

    def node(self, operator: str, inputs: Iterable[str] = (), **attributes: Any) -> None:
        """Adds a node whose first input is the last output.

        Args:
            operator: of ONNX.
            inputs: names of the others.
            **attributes: floats, ints, or tuples of ints.
        """
        output = f"{operator.lower()}_{len(self._model.graph.node)}"
        node = self._model.graph.node.add(op_type=operator, input=[self.output, *inputs], output=[output])
        for name, value in attributes.items():
            if isinstance(value, float):
                node.attribute.add(name=name, type=onnx_schema.ATTRIBUTE_FLOAT, f=value)
            elif isinstance(value, int):
                node.attribute.add(name=name, type=onnx_schema.ATTRIBUTE_INT, i=value)
            else:
                node.attribute.add(name=name, type=onnx_schema.ATTRIBUTE_INTS, ints=value)
        self.output = output

    def constant(self, array: Array, name: str | None = None) -> str:
        """Adds a float32 or int64 tensor and returns its name."""
        tensor = self._model.graph.initializer.add(name=name or f"constant_{len(self._model.graph.initializer)}")
        tensor.dims.extend(array.shape)
        tensor.data_type = onnx_schema.INT64 if array.dtype == np.int64 else onnx_schema.FLOAT
        tensor.raw_data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        return tensor.name

    def layer_weights(self, layer: str) -> list[str]:
        """Adds the weights of a layer and returns their names."""
        if self._keys:
            names = [f"{self._keys.get(layer, layer)}.{end}" for end in ("weight", "bias")]
        else:
            ends = "sbmv" if layer.startswith("bn") else "wb"  # Scale, bias, mean, variance.
            names = [f"{layer}_{end}_0" for end in ends]
        return [self.constant(array, name) for name, array in zip(names, self.weights[layer], strict=False)]

    def finished(self) -> bytes:
        """Names the last tensor `logits` and returns the file's bytes."""
        self.node("Identity")
        self._model.graph.node[-1].output[0] = "logits"
        self._declare(self._model.graph.output.add(), "logits", self.shape)
        return self._model.SerializeToString()

    def _declare(self, value: Any, name: str, shape: specs.Shape) -> None:
        value.name = name
        value.type.tensor_type.elem_type = onnx_schema.FLOAT
        value.type.tensor_type.shape.dim.add(dim_param="batch")
        for side in shape:
            value.type.tensor_type.shape.dim.add(dim_value=side)


@functools.singledispatch
def add_nodes(spec: specs.LayerSpec, graph: _Graph) -> None:
    """Adds the nodes of a layer specification to a graph."""
    raise TypeError(f"spec must be one of alexnet_tf.models.specs, got {spec!r}")


@add_nodes.register
def _(spec: specs.Conv, graph: _Graph) -> None:
    graph.number = spec.name[-1]
    sizes = _window(spec.kernel, spec.stride, spec.padding, graph.shape)
    graph.node("Conv", graph.layer_weights(spec.name), group=spec.groups, **sizes)
    graph.shape = spec.output_shape(graph.shape)


@add_nodes.register
def _(spec: specs.Dense, graph: _Graph) -> None:
    graph.number = spec.name[-1]
    graph.node("Gemm", graph.layer_weights(spec.name), transB=1)
    graph.shape = (len(graph.weights[spec.name][0]),)


@add_nodes.register
def _(spec: specs.Scale, graph: _Graph) -> None:
    factors = (1 / np.array(spec.deviations)).astype(np.float32)
    graph.node("Mul", [graph.constant(factors.reshape(-1, 1, 1))])


@add_nodes.register
def _(spec: specs.BatchNorm, graph: _Graph) -> None:
    graph.node("BatchNormalization", graph.layer_weights(f"bn{graph.number}"), epsilon=1e-5)


@add_nodes.register
def _(spec: specs.Activation, graph: _Graph) -> None:
    graph.node(_OPERATORS[spec.function])


@add_nodes.register
def _(spec: specs.LRN, graph: _Graph) -> None:
    size = 2 * spec.depth_radius + 1
    height, width, channels = graph.shape
    if spec.groups > 1:  # As images of their own, the towers do not mix.
        graph.node("Reshape", [graph.constant(np.array([-1, channels // spec.groups, height, width]))])
    graph.node("LRN", size=size, alpha=float(spec.alpha * size), beta=float(spec.beta), bias=float(spec.bias))
    if spec.groups > 1:
        graph.node("Reshape", [graph.constant(np.array([-1, channels, height, width]))])


@add_nodes.register
def _(spec: specs.SpatialNorm, graph: _Graph) -> None:
    inputs = graph.output
    graph.node("Mul", [inputs])
    window: dict[str, Any] = {"kernel_shape": (spec.size,) * 2, "strides": (1, 1), "pads": (spec.size // 2,) * 4}
    graph.node("AveragePool", count_include_pad=1, **window)
    for operator, number in (("Mul", spec.alpha), ("Add", 1), ("Pow", -spec.beta)):
        graph.node(operator, [graph.constant(np.array([number], np.float32))])
    graph.node("Mul", [inputs])


@add_nodes.register
def _(spec: specs.MaxPool, graph: _Graph) -> None:
    _pool("MaxPool", spec, graph)


@add_nodes.register
def _(spec: specs.AveragePool, graph: _Graph) -> None:
    _pool("AveragePool", spec, graph)


def _pool(operator: str, spec: Any, graph: _Graph) -> None:
    graph.node(operator, **_window(spec.size, spec.stride, spec.padding, graph.shape))
    graph.shape = spec.output_shape(graph.shape)


@add_nodes.register
def _(spec: specs.Flatten, graph: _Graph) -> None:
    graph.node("Flatten", axis=1)
    graph.shape = spec.output_shape(graph.shape)


@add_nodes.register
def _(spec: specs.Dropout, graph: _Graph) -> None:
    if spec.factor != 1:
        graph.node("Mul", [graph.constant(np.array([spec.factor], np.float32))])


def _window(size: int, stride: int, padding: str | int, shape: specs.Shape) -> dict[str, Any]:
    """The attributes of a sliding window."""
    before, after = [], []
    for side in shape[:2]:
        if padding == "same":
            total = max((-(-side // stride) - 1) * stride + size - side, 0)
            pair = (total // 2, total - total // 2)
        elif padding == "ceil":
            pair = (0, (size - side) % stride)
        else:
            pair = (0, 0) if padding == "valid" else (int(padding),) * 2
        before.append(pair[0])
        after.append(pair[1])
    return {"kernel_shape": (size,) * 2, "strides": (stride,) * 2, "pads": (*before, *after)}
