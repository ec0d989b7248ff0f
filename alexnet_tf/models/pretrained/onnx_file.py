"""Reads the weights of `.onnx` files: the ONNX model zoo's, those of PyTorch's exporter, and ours.

The graph is not run: its convolutions and dense layers only say which tensor is whose. Sizes are compared with the
bytes at hand before anything is allocated, and files beside the graph are never opened.
"""

import math
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained import onnx_schema
from alexnet_tf.models.pretrained.weight_file import TORCHVISION_LAYERS, Array, WeightFile, float32

_DTYPES: dict[int, np.dtype] = {
    onnx_schema.FLOAT: np.dtype("<f4"), onnx_schema.INT64: np.dtype("<i8"), onnx_schema.FLOAT16: np.dtype("<f2"),
    onnx_schema.DOUBLE: np.dtype("<f8"),
}  # fmt: skip
# Of a tensor that a graph fills with one number; fc6, the largest of AlexNet, has 38 million.
_MOST_FILLED = 2**26

_ZOO_NAME = re.compile(r"((?:conv|fc|bn|bottleneck)\d)_\w_0")


def read_onnx(path: str | os.PathLike) -> WeightFile:
    """Reads the weights of the `Conv`, `Gemm` and `BatchNormalization` nodes.

    A layer has the name that its kernel's has in the zoo (`conv1_w_0`; then the channels are blue, green, red) or in
    PyTorch (`features.0.weight`, `conv1.weight`); other kernels are numbered in the graph's order.

    Raises:
        UserError: if the file is not ONNX, is truncated, declares sizes that it does not hold, keeps its weights in
            another file, or has no such nodes.
        OSError: if it cannot be read.
    """
    model = onnx_schema.Model()
    try:
        model.ParseFromString(pathlib.Path(path).read_bytes())
    except (DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"weights must be a complete .onnx file, got {str(path)!r}: {error}") from error
    try:
        layers = dict(_layers(model.graph, _Tensors(model.graph, path)))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"weights must be an .onnx file of an AlexNet, got {str(path)!r}: {error}") from error
    if not layers:
        raise UserError(f"weights must be an .onnx file with Conv and Gemm nodes, got {str(path)!r}, which has none")
    bgr = any(_ZOO_NAME.fullmatch(name) for node in model.graph.node for name in node.input)
    return WeightFile(layers, channels_first=True, bgr=bgr)


class _Tensors:
    """The constant tensors of a graph by name, as float32; each is read once, when it is first asked for."""

    def __init__(self, graph: Any, path: str | os.PathLike) -> None:
        self._path = path
        self._protos = {tensor.name: tensor for tensor in graph.initializer}
        self._nodes = {node.output[0]: node for node in graph.node if node.output}
        self._read: dict[str, Array] = {}

    def get(self, name: str) -> Array:
        """Returns a tensor.

        Raises:
            ValueError: if it is not a constant, or the file does not hold its numbers.
        """
        node = self._nodes.get(name)
        if name not in self._protos and node and node.op_type == "Identity" and node.input:
            name = node.input[0]
        if name not in self._read:
            self._read[name] = self._constant(name)
        return self._read[name]

    def _constant(self, name: str) -> Array:
        if name in self._protos:
            return float32(_array(self._protos[name], name), name, self._path)
        node = self._nodes.get(name)
        values = [attribute.t for attribute in node.attribute if attribute.name == "value"] if node else []
        value = float32(_array(values[0], name), name, self._path) if values else None
        if node and node.op_type == "Constant" and value is not None:
            return value
        if node and node.op_type == "ConstantOfShape" and node.input and node.input[0] in self._protos:
            shape = _array(self._protos[node.input[0]], node.input[0]).ravel().tolist()
            if len(shape) > 4 or min(shape, default=0) < 1 or math.prod(shape) > _MOST_FILLED:
                raise ValueError(f"tensor {name[:80]!r} is filled to a shape of more than {_MOST_FILLED} numbers")
            return np.broadcast_to(np.zeros(1, np.float32) if value is None else value.ravel()[:1], shape)
        raise ValueError(f"tensor {name[:80]!r} is not stored in the file as a constant")


def _array(tensor: Any, name: str) -> Array:
    if tensor.data_location == onnx_schema.EXTERNAL:
        raise ValueError(
            f"tensor {name[:80]!r} is in another file, which is not opened; save all in one, as "
            "torch.onnx.export(..., external_data=False) does"
        )
    dtype = _DTYPES.get(tensor.data_type)
    if dtype is None:
        raise ValueError(f"tensor {name[:80]!r} has data type {tensor.data_type}, which is not a floating-point number")
    data = tensor.raw_data or tensor.float_data or tensor.double_data
    shape = tuple(tensor.dims)
    if len(shape) > 8 or min(shape, default=1) < 1 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"tensor {name[:80]!r} of shape {shape[:8]} holds {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape)


def _layers(graph: Any, tensors: _Tensors) -> Iterator[tuple[str, list[Array]]]:
    count = 0
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "BatchNormalization"):
            continue
        if len(node.input) < 2:
            raise ValueError(f"a {node.op_type} node without weights")
        if node.op_type == "BatchNormalization":
            kind = "bn"
        else:
            kind = "conv" if node.op_type == "Conv" else "fc"
            count += 1
        arrays = [tensors.get(name) for name in node.input[1:] if name]
        if node.op_type == "Gemm":
            arrays[0] = _gemm_kernel(node, arrays[0])
        yield _layer_name(node.input[1], f"{kind}{count}"), arrays


def _layer_name(tensor: str, numbered: str) -> str:
    """The layer of a tensor: its own name where it has one of ours, else that by the order of the nodes."""
    zoo = _ZOO_NAME.fullmatch(tensor)
    prefix = tensor.removesuffix(".weight")
    own = prefix if re.fullmatch(r"(conv|fc|bn|bottleneck)\d", prefix) else numbered
    return zoo[1] if zoo else TORCHVISION_LAYERS.get(prefix, own)


def _gemm_kernel(node: Any, kernel: Array) -> Array:
    """The kernel of a dense layer as (out, in)."""
    transposed = 0
    for attribute in node.attribute:
        if attribute.name == "transB":
            transposed = attribute.i
        elif attribute.name in ("alpha", "beta") and attribute.f != 1 or attribute.name == "transA" and attribute.i:
            raise ValueError(f"a Gemm node with {attribute.name}, which a dense layer does not have")
    return kernel if transposed else kernel.T
