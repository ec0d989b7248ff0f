"""Weight files of other programs are read as those programs compute."""

import dataclasses
import pathlib
import pickle

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from helpers import assert_close, channels_first, enliven
from onnx import numpy_helper
from torch import nn
from weight_files import (
    CLASSES,
    LEGACY,
    SIDE,
    TorchvisionNetwork,
    inputs,
    logits_model,
    narrow_network,
    nchw,
    npy_of,
    run_onnx,
    torch_logits,
)

from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.fit import WeightsWarning, fit
from alexnet_tf.models.pretrained.load import read_weights
from alexnet_tf.models.pretrained.pth import read_pth
from alexnet_tf.models.pretrained.report import LEFT, LOADED, REINITIALIZED, layer_reports
from alexnet_tf.models.specs import MaxPool

LIGHT = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"


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
    "legacy.pth": lambda network, path: torch.save(network.state_dict(), path, **LEGACY),
    "parameters.pth": lambda network, path: torch.save(dict(network.named_parameters()), path),
    "keys.safetensors": lambda network, path: safetensors.torch.save_file(network.state_dict(), path),
    "named.onnx": _onnx_export,
    "numbered.onnx": lambda network, path: _onnx_export(network, path, rename="onnx::Conv_{}".format),
}


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.parametrize("name", TORCH_WRITERS)
def test_what_pytorch_writes(name, torch_network, tmp_path):
    TORCH_WRITERS[name](torch_network, tmp_path / name)
    logits = logits_model(narrow_network("torchvision"), tmp_path / name)(inputs()).numpy()
    expected = torch_logits(torch_network, inputs())
    assert_close(name, logits, expected, 1e-4)
    assert expected.std() > 0.1


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
    data = _zoo_file(channels_first(enliven(logits_model(preset, side=224)), bgr=True))
    (tmp_path / "bvlcalexnet-9.onnx").write_bytes(data)
    images = inputs(224)
    expected = np.concatenate([run_onnx(data, nchw(image[None, ..., ::-1])) for image in images])
    assert_close("zoo", logits_model(preset, tmp_path / "bvlcalexnet-9.onnx", 224)(images).numpy(), expected, 1e-4)
    assert expected.std() > 0.1


def test_the_light_graph_of_the_package_onnx():
    """All its weights are 0.02; it says what a reader must understand of the zoo's graphs, and its recorded output."""
    model = AlexNet(_zoo_preset(1), input_shape=(224, 224, 3), weights=LIGHT / "light_bvlc_alexnet.onnx")
    # As `onnx.backend.test.runner` makes it.
    image = (np.arange(3 * 224 * 224).reshape(1, 3, 224, 224) / (3 * 224 * 224)).astype(np.float32)
    recorded = onnx.TensorProto.FromString((LIGHT / "light_bvlc_alexnet_output_0.pb").read_bytes())
    probabilities = model(image.transpose(0, 2, 3, 1)[..., ::-1]).numpy()
    np.testing.assert_allclose(probabilities, numpy_helper.to_array(recorded), rtol=1e-4)


class _Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 writes strings."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, data):
        self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        self.memoize(data)

    dispatch[bytes] = save_bytes


@pytest.mark.parametrize("python", [2, 3])
def test_torontos_npy(python, tmp_path):
    model = enliven(logits_model(narrow_network("caffe")))
    layers = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    layers["conv1"][0] = layers["conv1"][0][:, :, ::-1]
    if python == 2:
        data = npy_of(np.array(layers, object), 2, _Python2Pickler).replace(b"numpy._core", b"numpy.core")
        (tmp_path / "bvlc_alexnet.npy").write_bytes(data)
    else:
        np.save(tmp_path / "bvlc_alexnet.npy", layers)
    again = logits_model(narrow_network("caffe"), tmp_path / "bvlc_alexnet.npy")
    np.testing.assert_array_equal(again(inputs()), model(inputs()))


def test_a_report_says_what_became_of_each_layer(tmp_path):
    preset = narrow_network("caffe")
    (tmp_path / "net.onnx").write_bytes(_zoo_file(channels_first(logits_model(preset), bgr=True)))
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
    preset = narrow_network("caffe")
    model, source = logits_model(preset), enliven(logits_model(preset))
    arrays = channels_first(source, bgr=True)
    fit(model, arrays, "net", channels_first=True, bgr=True, fresh=("conv1",))
    np.testing.assert_array_equal(model.get_layer("conv2").kernel, source.get_layer("conv2").kernel)
