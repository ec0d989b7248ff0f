"""Weight files of other programs: read as those programs compute, written so that they read them."""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import pickle
import resource
import sys
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from helpers import assert_close, caffemodel, channels_first, enliven, figures
from onnx import numpy_helper
from torch import nn

from alexnet_tf.errors import UserError
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import PRESETS, get_preset
from alexnet_tf.models.pretrained.fit import WeightsWarning, fit
from alexnet_tf.models.pretrained.load import read_weights
from alexnet_tf.models.pretrained.pth import read_pth
from alexnet_tf.models.pretrained.report import LEFT, LOADED, REINITIALIZED, layer_reports
from alexnet_tf.models.pretrained.writers import SUFFIXES, save_weights
from alexnet_tf.models.specs import MaxPool

SIDE, CLASSES = 67, 10
LIGHT = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"


def _network(preset):
    return get_preset(preset) if preset == "four_layers" else get_preset(preset).widened(1 / 16)


def _model(network, weights=None, side=SIDE):
    return AlexNet(network, input_shape=(side, side, 3), classes=CLASSES, weights=weights, classifier_activation=None)


def _inputs(side=SIDE):
    return figures(8, side).astype(np.float32) - np.float32([123.675, 116.28, 103.53])


def _nchw(inputs):
    return np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))


def _run_onnx(model, inputs, output=None):
    session = onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model))
    outputs = None if output is None else [output]
    return session.run(outputs, {session.get_inputs()[0].name: inputs})[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_written_is_read_again(preset, tmp_path):
    network, side = _network(preset), 32 if preset == "four_layers" else SIDE
    model = enliven(_model(network, side=side))
    inputs = _inputs(side)
    expected = model(inputs).numpy()
    for suffix in SUFFIXES:
        path = tmp_path / f"net{suffix}"
        save_weights(model, network, path)
        np.testing.assert_array_equal(_model(network, path, side)(inputs), expected, err_msg=suffix)
    onnx.checker.check_model(tmp_path / "net.onnx", full_check=True)
    channels = inputs if preset == "torchvision" else inputs[..., ::-1]
    assert_close(preset, _run_onnx(tmp_path / "net.onnx", _nchw(channels)), expected, 1e-4)
    assert expected.std() > 0.1
    with pytest.raises(UserError, match=r"must end in one of .*got .*net\.h5"):
        save_weights(model, network, tmp_path / "net.h5")


class TorchvisionNetwork(nn.Module):
    """torchvision's AlexNet, a sixteenth as wide, without the adaptive pooling that changes nothing."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(4, 12, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(12, 24, 3, 1, 1), nn.ReLU(), nn.Conv2d(24, 16, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(16, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, 256), nn.ReLU(),
            nn.Linear(256, CLASSES),
        )  # fmt: skip

    def forward(self, images):
        return self.classifier(torch.flatten(self.features(images), 1))


def _torch_logits(network, inputs):
    scaled = _nchw(inputs / np.float32([58.395, 57.12, 57.375]))
    return network(torch.from_numpy(scaled)).detach().numpy()


@pytest.fixture(scope="module")
def torch_network():
    torch.manual_seed(0)
    network = TorchvisionNetwork().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=(2 / max(2, parameter[0].numel())) ** 0.5)
    return network


def _onnx_export(network, path, rename=None):
    torch.onnx.export(network, torch.zeros(1, 3, SIDE, SIDE), path, dynamo=False)
    if rename:
        model = onnx.load(path)
        names = {tensor.name: rename(i) for i, tensor in enumerate(model.graph.initializer)}
        for tensor in model.graph.initializer:
            tensor.name = names[tensor.name]
        for node in model.graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
        onnx.save(model, path)


TORCH_WRITERS = {
    "zip.pth": lambda network, path: torch.save(network.state_dict(), path),
    "legacy.pth": lambda network, path: torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False),
    "parameters.pth": lambda network, path: torch.save(dict(network.named_parameters()), path),
    "keys.safetensors": lambda network, path: safetensors.torch.save_file(network.state_dict(), path),
    "named.onnx": _onnx_export,
    "numbered.onnx": lambda network, path: _onnx_export(network, path, rename="onnx::Conv_{}".format),
}


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.parametrize("name", TORCH_WRITERS)
def test_what_pytorch_writes(name, torch_network, tmp_path):
    TORCH_WRITERS[name](torch_network, tmp_path / name)
    logits = _model(_network("torchvision"), tmp_path / name)(_inputs()).numpy()
    expected = _torch_logits(torch_network, _inputs())
    assert_close(name, logits, expected, 1e-4)
    assert expected.std() > 0.1


def test_torchvision_takes_our_safetensors(tmp_path):
    network = _network("torchvision")
    model = enliven(_model(network))
    save_weights(model, network, tmp_path / "net.safetensors")
    theirs = TorchvisionNetwork().eval()
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "net.safetensors"))
    assert_close("safetensors", _torch_logits(theirs, _inputs()), model(_inputs()).numpy(), 1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype, torch_network, tmp_path):
    state = {key: tensor.to(dtype) for key, tensor in torch_network.state_dict().items()}
    torch.save(state, tmp_path / "net.pth")
    safetensors.torch.save_file(state, tmp_path / "net.safetensors")
    for name in ("net.pth", "net.safetensors"):
        kernel = read_weights(tmp_path / name).layers["conv1"][0]
        assert kernel.dtype == np.float32
        np.testing.assert_array_equal(kernel, state["features.0.weight"].float())


def test_views_and_batch_normalization(tmp_path):
    """A tensor may be a transposed part of a storage, and normalization has four tensors and a counter."""
    whole = torch.arange(60.0).reshape(5, 12)
    norm = nn.BatchNorm2d(4)
    norm.running_mean.fill_(3)
    state = {"fc6.weight": whole.T[2:8], "fc6.bias": whole[1, :6]}
    state |= {f"bn1.{key}": tensor for key, tensor in norm.state_dict().items()}
    torch.save(state, tmp_path / "net.pth")
    layers = read_pth(tmp_path / "net.pth").layers
    np.testing.assert_array_equal(layers["fc6"][0], whole.T[2:8])
    np.testing.assert_array_equal(layers["fc6"][1], whole[1, :6])
    np.testing.assert_array_equal(layers["bn1"], [np.ones(4), np.zeros(4), np.full(4, 3), np.ones(4)])


def _zoo_preset(width):
    """`caffe` as the model zoo has it: the last pool is padded below and on the right, for an input of 224 pixels."""
    preset = get_preset("caffe").widened(width)
    last = max(i for i, spec in enumerate(preset.layers) if isinstance(spec, MaxPool))
    return dataclasses.replace(
        preset, layers=(*preset.layers[:last], MaxPool(padding="ceil"), *preset.layers[last + 1 :])
    )


def _zoo_file(layers):
    """The model zoo's bvlc_alexnet with other weights. The graph is that of the package `onnx`, up to the logits."""
    model = onnx.load(LIGHT / "light_bvlc_alexnet.onnx")
    graph = model.graph
    nodes = [node for node in graph.node if node.op_type not in ("ConstantOfShape", "Softmax")]
    constants = {
        f"{layer}_{end}_0": array for layer, pair in layers.items() for end, array in zip("wb", pair, strict=True)
    }
    constants["OC2_DUMMY_1"] = np.array([1, constants["fc6_w_0"].shape[1]])
    del graph.node[:], graph.initializer[:], graph.input[1:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    graph.output.add().CopyFrom(onnx.helper.make_tensor_value_info(nodes[-1].output[0], 1, [1, CLASSES]))
    return model.SerializeToString()


def test_the_zoos_onnx_in_onnxruntime(tmp_path):
    preset = _zoo_preset(1 / 16)
    data = _zoo_file(channels_first(enliven(_model(preset, side=224)), bgr=True))
    (tmp_path / "bvlcalexnet-9.onnx").write_bytes(data)
    inputs = _inputs(224)
    expected = np.concatenate([_run_onnx(data, _nchw(image[None, ..., ::-1])) for image in inputs])
    assert_close("zoo", _model(preset, tmp_path / "bvlcalexnet-9.onnx", 224)(inputs).numpy(), expected, 1e-4)
    assert expected.std() > 0.1


def test_the_light_graph_of_the_package_onnx():
    """All its weights are 0.02; it says what a reader must understand of the zoo's graphs, and its recorded output."""
    model = AlexNet(_zoo_preset(1), input_shape=(224, 224, 3), weights=LIGHT / "light_bvlc_alexnet.onnx")
    # As `onnx.backend.test.runner` makes it.
    image = (np.arange(3 * 224 * 224).reshape(1, 3, 224, 224) / (3 * 224 * 224)).astype(np.float32)
    recorded = onnx.TensorProto.FromString((LIGHT / "light_bvlc_alexnet_output_0.pb").read_bytes())
    probabilities = model(image.transpose(0, 2, 3, 1)[..., ::-1]).numpy()
    np.testing.assert_allclose(probabilities, numpy_helper.to_array(recorded), rtol=1e-4)


def _npy(contents, protocol=4, pickler=pickle._Pickler):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickler(out, protocol).dump(contents)
    return out.getvalue()


class _Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 writes strings."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, data):
        self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        self.memoize(data)

    dispatch[bytes] = save_bytes


@pytest.mark.parametrize("python", [2, 3])
def test_torontos_npy(python, tmp_path):
    model = enliven(_model(_network("caffe")))
    layers = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    layers["conv1"][0] = layers["conv1"][0][:, :, ::-1]
    if python == 2:
        data = _npy(np.array(layers, object), 2, _Python2Pickler).replace(b"numpy._core", b"numpy.core")
        (tmp_path / "bvlc_alexnet.npy").write_bytes(data)
    else:
        np.save(tmp_path / "bvlc_alexnet.npy", layers)
    again = _model(_network("caffe"), tmp_path / "bvlc_alexnet.npy")
    np.testing.assert_array_equal(again(_inputs()), model(_inputs()))


def test_a_report_says_what_became_of_each_layer(tmp_path):
    preset = _network("caffe")
    (tmp_path / "net.onnx").write_bytes(_zoo_file(channels_first(_model(preset), bgr=True)))
    file = read_weights(tmp_path / "net.onnx")
    del file.layers["fc7"]
    model = AlexNet(preset, input_shape=(SIDE, SIDE, 3), classes=3)
    with pytest.warns(WeightsWarning):
        reasons = fit(model, file.layers, "net.onnx", file.channels_first, file.bgr, fresh=("conv5",))
    reports = {report.layer: report for report in layer_reports(model, file, reasons, fresh=("conv5",))}
    assert list(reports) == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    assert {name: report.outcome for name, report in reports.items() if report.outcome != LOADED} == {
        "conv5": LEFT, "fc7": REINITIALIZED, "fc8": REINITIALIZED
    }  # fmt: skip
    lines = "\n".join(map(str, reports.values()))
    assert "conv1 11x11x3x6        loaded: transposed, BGR reordered to RGB" in lines
    assert "fc6   16x256           loaded: transposed, inputs reordered to channels last" in lines
    assert "fc7   256x256          reinitialized: not in the file" in lines
    assert "fc8   256x3            reinitialized: shape mismatch, the file has 10x256" in lines


def test_only_the_first_layer_has_colors_to_reorder():
    preset = _network("caffe")
    model, source = _model(preset), enliven(_model(preset))
    arrays = channels_first(source, bgr=True)
    fit(model, arrays, "net", channels_first=True, bgr=True, fresh=("conv1",))
    np.testing.assert_array_equal(model.get_layer("conv2").kernel, source.get_layer("conv2").kernel)


# From here on: files that must be refused, with one error, without executing anything, in little memory.


@contextlib.contextmanager
def _watched():
    """Fails if the block starts a program, opens a file that a weight file could name, or uses 300 MB more."""
    _events.clear()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 300_000_000, limits[1]))
    _events.append(("watching", ()))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        events = _events[1:]
        _events.clear()
    assert not events


_events = []


def _hook(event, arguments):
    if _events and (event.startswith(("os.", "subprocess.")) or event == "open" and "secret" in str(arguments[0])):
        if event not in ("os.listdir", "os.scandir", "os.putenv"):
            _events.append((event, arguments))


sys.addaudithook(_hook)


def _refused(path, message):
    with _watched(), pytest.raises(UserError, match=message) as raised:
        read_weights(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 600


class _Code:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _zip(pickled, *storages, compression=zipfile.ZIP_STORED):
    """A `.pth` of a pickle and the bytes of storages."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("net/data.pkl", pickled)
        for i, data in enumerate(storages):
            archive.writestr(f"net/data/{i}", data)
    return out.getvalue()


def _tensor(shape, count, strides=None, name=b"torch._utils\n_rebuild_tensor_v2\n", offset=0):
    """A pickle of {"conv1.weight": a tensor} in a storage of `count` numbers."""
    strides = tuple(np.cumprod((1, *shape[:0:-1]), dtype=object)[::-1]) if strides is None else strides
    numbers = [pickle.dumps(value, 2)[2:-1] for value in (count, offset, tuple(shape), tuple(map(int, strides)))]
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu" + numbers[0] + b"tQ"
    rebuilt = b"c" + name + b"(" + storage + b"".join(numbers[1:]) + b"\x89}tR"
    return b"\x80\x02}X\x0c\0\0\0conv1.weight" + rebuilt + b"s."


def _saved(state, **options):
    out = io.BytesIO()
    torch.save(state, out, **options)
    return out.getvalue()


_ZEROS, _SHARED, _NUMBERS = torch.zeros(4), torch.zeros(1000), np.zeros(1000)
LEGACY = {"_use_new_zipfile_serialization": False}
HOSTILE_PTH = {
    "code": (lambda: _saved({"conv1.weight": _Code(os.system, "touch secret")}), "names posix.system, which is code"),
    "code, legacy": (lambda: _saved({"conv1.weight": _Code(eval, "1")}, **LEGACY), "names __builtin__.eval"),
    "a module": (lambda: _saved(nn.Linear(1, 1)), "names torch.nn.modules.linear.Linear"),
    "sparse": (lambda: _saved({"conv1.weight": _ZEROS.to_sparse()}), "names torch._utils._rebuild_sparse_tensor"),
    "numbered": (lambda: _saved({1: _ZEROS}), "a key of type int"),
    "a checkpoint": (lambda: _saved({"state_dict": {}, "epoch": 1}), "'state_dict' is a dict, not a tensor"),
    "integers": (lambda: _saved({"conv1.weight": torch.zeros(4, dtype=torch.int64)}), "floating-point"),
    "expanded": (lambda: _saved({"conv1.weight": _ZEROS[:1].expand(10**6, 10**6)}), "a storage of 4 numbers"),
    "shared": (lambda: _saved({f"{i}.weight": _SHARED for i in range(1000)}), "must not share numbers"),
    "huge shape": (lambda: _zip(_tensor((2**40, 2**20), 4), bytes(16)), "in a storage of 4 numbers"),
    "huge storage": (lambda: _zip(_tensor((2**40,), 2**40), bytes(16)), "declares 4398046511104 bytes and holds 16"),
    "no storage": (lambda: _zip(_tensor((4,), 4)), "declares 16 bytes and holds 0"),
    "outside": (lambda: _zip(_tensor((2,), 4, offset=3), bytes(16)), "in a storage of 4 numbers"),
    "negative": (lambda: _zip(_tensor((4,), 4, strides=(-1,)), bytes(16)), "valid shape"),
    "negative storage": (lambda: _zip(_tensor((4,), -4), bytes(16)), "in a storage of -4"),
    "compressed": (
        lambda: _zip(_tensor((2**24,), 2**24), bytes(2**24), compression=zipfile.ZIP_DEFLATED),
        "larger inside",
    ),
    "long bytes": (lambda: _zip(b"\x80\x04\x8e" + b"\xff" * 6 + b"\0\0."), "expected 281474976710655 bytes"),
    "far memo": (lambda: _zip(b"\x80\x02]r\xff\xff\xff\x7f."), "no state dict"),
    "deep": (lambda: _zip(b"\x80\x02)" + b"\x85" * 10**5 + b"."), "no state dict"),
    "text": (lambda: _zip(b"hello"), "must be a complete .pth"),
    "no pickle": (lambda: _zip(b"").replace(b"data.pkl", b"data.pkx"), "a zip without data.pkl"),
}


@pytest.mark.parametrize("name", HOSTILE_PTH)
def test_hostile_pth(name, tmp_path):
    data, message = HOSTILE_PTH[name]
    (tmp_path / "net.pth").write_bytes(data())
    _refused(tmp_path / "net.pth", message)


def _array_state(shape, data, dtype="f4"):
    """An object that pickles as an array with a state of our own."""
    array = _Code(np._core.multiarray._reconstruct, np.ndarray, (0,), b"b")
    reduced = array.__reduce__()
    code = _Code(np.dtype, dtype, False, True)
    array.__reduce__ = None
    return _WithState(reduced, (1, shape, code, False, data))


class _WithState:
    def __init__(self, reduced, state):
        self.reduced = (*reduced, state)

    def __reduce__(self):
        return self.reduced


HOSTILE_NPY = {
    "code": (lambda: _npy(_Code(os.system, "touch secret")), "names posix.system, which is code"),
    "code inside": (lambda: _npy(np.array({"conv1": _Code(eval, "1")}, object)), "names builtins.eval"),
    "huge": (lambda: _npy(np.array({"conv1": [_array_state((2**40,), b"1234")] * 2}, object)), "number of bytes"),
    "reserved": (
        lambda: _npy(_Code(np._core.multiarray._reconstruct, np.ndarray, (2**40,), b"b")), "no dictionary of layers",
    ),
    "text": (lambda: _npy(np.array({"conv1": [np.array(["a"])] * 2}, object)), "not a floating-point number"),
    "one array": (lambda: _npy(np.array({"conv1": [np.zeros(3)]}, object)), "not a kernel and a bias"),
    "numbers": (lambda: _npy(np.array({"conv1": 3}, object)), "not a kernel and a bias"),
    "a list": (lambda: _npy([1]), "no dictionary of layers"),
    "shared": (
        lambda: _npy(np.array({str(i): [_NUMBERS] * 2 for i in range(1000)}, object)), "must not share numbers",
    ),
    "plain": (lambda: _bytes_of(np.zeros(3)), "must be a .npy file of a dictionary"),
    "long bytes": (lambda: _npy(None)[:-2] + b"\x8e" + b"\xff" * 6 + b"\0\0.", "expected 281474976710655 bytes"),
}  # fmt: skip


def _bytes_of(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@pytest.mark.parametrize("name", HOSTILE_NPY)
def test_hostile_npy(name, tmp_path):
    data, message = HOSTILE_NPY[name]
    (tmp_path / "net.npy").write_bytes(data())
    _refused(tmp_path / "net.npy", message)


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
    _refused(tmp_path / "net.safetensors", "must be a complete .safetensors file")


def test_safetensors_of_other_things(tmp_path):
    for tensors, message in (
        ({"mean": np.zeros(3, np.float32)}, "must have keys such as"),
        ({"conv1.weight": np.zeros(3, np.int32)}, "must be floating-point numbers, got int32 in 'conv1.weight'"),
    ):
        safetensors.numpy.save_file(tensors, tmp_path / "net.safetensors")
        _refused(tmp_path / "net.safetensors", message)


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
    _refused(tmp_path / "net.onnx", message)


def test_weights_used_many_times_are_read_once(tmp_path):
    weights = numpy_helper.from_array(np.zeros((10**6, 1, 1, 1), np.float16), "w")
    nodes = [onnx.helper.make_node("Conv", ["x", "w"], [str(i)]) for i in range(500)]
    (tmp_path / "net.onnx").write_bytes(_conv(weights, nodes=nodes))
    with _watched():
        assert len(read_weights(tmp_path / "net.onnx").layers) == 501


@pytest.fixture(scope="module")
def small_files(tmp_path_factory):
    """A few layers in each format, {suffix: bytes}, and a function from {layer: [kernel, bias]} to such files."""

    def write(layers):
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
            ".pth": _saved(state),
            "legacy.pth": _saved(state, **LEGACY),
            ".safetensors": safetensors.torch.save(state),
            ".onnx": onnx.helper.make_model(graph).SerializeToString(),
            ".npy": _bytes_of(np.array(layers, object)),
            ".caffemodel": caffemodel(layers, v1=True),
        }

    return write


def _layers():
    rng = np.random.default_rng(0)
    return {f"conv{i}": [rng.random((2, 3, 4, 4), np.float32), rng.random(2, np.float32)] for i in (1, 2)}


def test_damaged_files(small_files, tmp_path):
    """Cut short at many places: refused. With bytes changed: refused, or read as other numbers."""
    rng = np.random.default_rng(0)
    for suffix, data in small_files(_layers()).items():
        path = tmp_path / f"net{suffix}"
        for part in (b"", rng.bytes(1000), *(data[: len(data) * i // 16] for i in range(1, 16))):
            path.write_bytes(part)
            _refused(path, "weights must")
        for _ in range(200):
            damaged = bytearray(data)
            for place in rng.integers(0, len(data), 3):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            with _watched(), contextlib.suppress(UserError):
                read_weights(path)
        with pytest.raises(UserError, match="must be a readable file.*gone"):
            read_weights(tmp_path / f"gone{suffix}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite(value, small_files, tmp_path):
    layers = _layers()
    layers["conv2"][1][0] = value
    for suffix, data in small_files(layers).items():
        path = tmp_path / f"net{suffix}"
        path.write_bytes(data)
        _refused(path, r"must be finite, got 1 NaN or infinite number\(s\) in the bias of layer 'conv2' of")
