"""Hostile `.safetensors` and `.onnx` files, and damaged files of every format: refused as `assert_refused` demands."""

import contextlib
import json

import numpy as np
import onnx
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from helpers import caffemodel
from onnx import numpy_helper
from weight_files import LEGACY, assert_refused, plain_npy, saved, watched

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.load import read_weights


def _header(**tensors):
    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header


HOSTILE_SAFETENSORS = {
    "long header": b"\xff" * 7 + b"\0" + b"{}",
    "header of 1 GB": (2**30).to_bytes(8, "little") + b"{}",
    "huge shape": _header(a={"dtype": "F32", "shape": [2**40, 2**30], "data_offsets": [0, 16]}) + bytes(16),
    "huge offsets": _header(a={"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}) + bytes(16),
    "overlap": _header(**{x: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for x in "ab"}) + bytes(16),
    "negative": _header(a={"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}) + bytes(16),
    "not JSON": (4).to_bytes(8, "little") + b"hell",
}


@pytest.mark.parametrize("name", HOSTILE_SAFETENSORS)
def test_hostile_safetensors(name, tmp_path):
    (tmp_path / "net.safetensors").write_bytes(HOSTILE_SAFETENSORS[name])
    assert_refused(tmp_path / "net.safetensors", "must be a complete .safetensors file")


def test_safetensors_of_other_things(tmp_path):
    for tensors, message in (
        ({"mean": np.zeros(3, np.float32)}, "must have keys such as"),
        ({"conv1.weight": np.zeros(3, np.int32)}, "must be floating-point numbers, got int32 in 'conv1.weight'"),
    ):
        safetensors.numpy.save_file(tensors, tmp_path / "net.safetensors")
        assert_refused(tmp_path / "net.safetensors", message)


def _conv(*initializers, nodes=(), **attributes):
    """An ONNX file of one node with the weights "w"."""
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    graph = onnx.helper.make_graph([*nodes, node], "net", [], [], initializers)
    return onnx.helper.make_model(graph).SerializeToString()


def _external(location):
    tensor = onnx.TensorProto(name="w", dims=[1, 1, 1, 1], data_type=1, data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def _filled(*shape):
    shape = numpy_helper.from_array(np.array(shape), "s")
    return _conv(shape, nodes=[onnx.helper.make_node("ConstantOfShape", ["s"], ["w"])])


HOSTILE_ONNX = {
    "external": (lambda: _conv(_external("secret.bin")), "'w' is in another file, which is not opened"),
    "outside": (lambda: _conv(_external("../../secret")), "'w' is in another file"),
    "absolute": (lambda: _conv(_external("/etc/secret")), "'w' is in another file"),
    "huge": (
        lambda: _conv(onnx.TensorProto(name="w", dims=[2**40, 2**20], data_type=1, raw_data=bytes(16))),
        "16 bytes",
    ),
    "negative": (lambda: _conv(onnx.TensorProto(name="w", dims=[-4, -1], data_type=1, raw_data=bytes(16))), "16 bytes"),
    "many sides": (lambda: _conv(onnx.TensorProto(name="w", dims=[2**62] * 10**5, data_type=1)), "holds 0 bytes"),
    "type": (lambda: _conv(onnx.TensorProto(name="w", dims=[4], data_type=8, raw_data=bytes(4))), "data type 8"),
    "integers": (lambda: _conv(numpy_helper.from_array(np.zeros(4, np.int64), "w")), "must be floating-point"),
    "filled": (lambda: _filled(2**40, 2**20), "more than 67108864 numbers"),
    "computed": (lambda: _conv(nodes=[onnx.helper.make_node("Relu", ["x"], ["w"])]), "not stored in the file"),
    "no weights": (
        lambda: onnx.helper.make_model(onnx.helper.make_graph([], "net", [], [])).SerializeToString(),
        "Conv and Gemm",
    ),
    "length": (lambda: b"\x3a\xff\xff\xff\xff\x07" + bytes(10), "must be a complete .onnx file"),
}


@pytest.mark.parametrize("name", HOSTILE_ONNX)
def test_hostile_onnx(name, tmp_path):
    for secret in (tmp_path / "secret.bin", tmp_path.parent / "secret"):
        secret.write_bytes(bytes(4))
    data, message = HOSTILE_ONNX[name]
    (tmp_path / "net.onnx").write_bytes(data())
    assert_refused(tmp_path / "net.onnx", message)


def test_weights_used_many_times_are_read_once(tmp_path):
    weights = numpy_helper.from_array(np.zeros((10**6, 1, 1, 1), np.float16), "w")
    nodes = [onnx.helper.make_node("Conv", ["x", "w"], [str(i)]) for i in range(500)]
    (tmp_path / "net.onnx").write_bytes(_conv(weights, nodes=nodes))
    with watched():
        assert len(read_weights(tmp_path / "net.onnx").layers) == 501


def _files_of(layers):
    """{layer: [kernel, bias]} in each format: {suffix: bytes}."""
    state = {
        f"{layer}.{end}": torch.from_numpy(array)
        for layer, pair in layers.items()
        for end, array in zip(("weight", "bias"), pair, strict=True)
    }
    zoo = [
        numpy_helper.from_array(array, f"{layer}_{end}_0")
        for layer, pair in layers.items()
        for end, array in zip("wb", pair, strict=True)
    ]
    nodes = [onnx.helper.make_node("Conv", ["x", f"{layer}_w_0", f"{layer}_b_0"], [layer]) for layer in layers]
    graph = onnx.helper.make_graph(nodes, "net", [], [], zoo)
    return {
        ".pth": saved(state),
        "legacy.pth": saved(state, **LEGACY),
        ".safetensors": safetensors.torch.save(state),
        ".onnx": onnx.helper.make_model(graph).SerializeToString(),
        ".npy": plain_npy(np.array(layers, object)),
        ".caffemodel": caffemodel(layers, v1=True),
    }


def _layers():
    rng = np.random.default_rng(0)
    return {f"conv{i}": [rng.random((2, 3, 4, 4), np.float32), rng.random(2, np.float32)] for i in (1, 2)}


def test_damaged_files(tmp_path):
    """Cut short at many places: refused. With bytes changed: refused, or read as other numbers."""
    rng = np.random.default_rng(0)
    for suffix, data in _files_of(_layers()).items():
        path = tmp_path / f"net{suffix}"
        for part in (b"", rng.bytes(1000), *(data[: len(data) * i // 16] for i in range(1, 16))):
            path.write_bytes(part)
            assert_refused(path, "weights must")
        for _ in range(200):
            damaged = bytearray(data)
            for place in rng.integers(0, len(data), 3):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            with watched(), contextlib.suppress(UserError):
                read_weights(path)
        with pytest.raises(UserError, match="must be a readable file.*gone"):
            read_weights(tmp_path / f"gone{suffix}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite(value, tmp_path):
    layers = _layers()
    layers["conv2"][1][0] = value
    for suffix, data in _files_of(layers).items():
        path = tmp_path / f"net{suffix}"
        path.write_bytes(data)
        assert_refused(path, r"must be finite, got 1 NaN or infinite number\(s\) in the bias of layer 'conv2' of")
