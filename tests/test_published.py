"""Published networks against runtimes that are not ours, OpenCV's dnn and PyTorch: outputs at full size, gradients."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
import torch
from helpers import assert_close, caffemodel, channels_first, enliven, figures
from torch import nn

from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.precision import policy
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.imagenet import preprocess_input

pytestmark = pytest.mark.slow

# Kernel size, filters, stride, padding, groups.
_CONVOLUTIONS = {
    "conv1": (11, 96, 4, 0, 1), "conv2": (5, 256, 1, 2, 2), "conv3": (3, 384, 1, 1, 1), "conv4": (3, 384, 1, 1, 2),
    "conv5": (3, 256, 1, 1, 2),
}  # fmt: skip
# Of the colors, which PyTorch's networks are divided by.
_DEVIATION = (58.395, 57.12, 57.375)
_POOL = "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"
_NORM = "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }"


def _deploy(pool_first):
    """A deploy prototxt of BVLC's AlexNet, or of CaffeNet, down to the logits."""
    text = 'name: "net"\ninput: "data"\ninput_shape { dim: 8 dim: 3 dim: 227 dim: 227 }\n'
    bottom = "data"

    def layer(name, kind, parameters=""):
        nonlocal text, bottom
        text += f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {parameters} }}\n'
        bottom = name

    for number in range(1, 6):
        kernel, filters, stride, padding, groups = _CONVOLUTIONS[f"conv{number}"]
        sizes = f"num_output: {filters} kernel_size: {kernel} stride: {stride} pad: {padding} group: {groups}"
        layer(f"conv{number}", "Convolution", f"convolution_param {{ {sizes} }}")
        layer(f"relu{number}", "ReLU")
        if number in (1, 2):
            after = [(f"norm{number}", "LRN", _NORM), (f"pool{number}", "Pooling", _POOL)]
            for each in reversed(after) if pool_first else after:
                layer(*each)
    layer("pool5", "Pooling", _POOL)
    for number, units in ((6, 4096), (7, 4096), (8, 1000)):
        layer(f"fc{number}", "InnerProduct", f"inner_product_param {{ num_output: {units} }}")
        if number < 8:
            layer(f"relu{number}", "ReLU")
    return text


@pytest.mark.parametrize("preset, v1", [("caffe", True), ("caffenet", False)])
def test_caffe_in_opencv(preset, v1, tmp_path):
    source = enliven(AlexNet(preset, classifier_activation=None))
    file = tmp_path / "net.caffemodel"
    file.write_bytes(caffemodel(channels_first(source, bgr=True), v1))
    model = AlexNet(preset, weights=str(file), classifier_activation=None)
    inputs = preprocess_input(figures(8, 227), preset)
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(_deploy(pool_first=preset == "caffenet"))
    net = cv2.dnn.readNetFromCaffe(str(deploy), str(file))
    net.setInput(np.ascontiguousarray(inputs[..., ::-1].transpose(0, 3, 1, 2)))
    expected, actual = net.forward(), model(inputs).numpy()
    assert_close(f"{preset}, logits", actual, expected, 1e-4)
    assert expected.std() > 0.1


class _Half(nn.Module):
    """What the paper does to both hidden dense layers at test time (section 4.2)."""

    def forward(self, inputs):
        return inputs * 0.5


def _torch_network(preset, arrays):
    """The network in PyTorch, as wide as its arrays, with modules named as our layers are."""
    groups = 2 if preset == "paper" else 1
    # PyTorch divides alpha by the size.
    norm = {} if preset == "torchvision" else {n: nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0) for n in (1, 2)}
    modules = {}
    for number in range(1, 6):
        kernel, _, stride, padding, grouped = _CONVOLUTIONS[f"conv{number}"]
        padding = 2 if preset == "torchvision" and number == 1 else padding
        grouped = groups if grouped == 2 else 1
        filters, channels = arrays[f"conv{number}"][0].shape[:2]
        modules[f"conv{number}"] = nn.Conv2d(channels * grouped, filters, kernel, stride, padding, groups=grouped)
        modules[f"relu{number}"] = nn.ReLU()
        if number in norm:
            modules[f"norm{number}"] = norm[number]
        if number in (1, 2, 5):
            modules[f"pool{number}"] = nn.MaxPool2d(3, 2)
    modules["flatten"] = nn.Flatten()
    for number in (6, 7, 8):
        units, inputs = arrays[f"fc{number}"][0].shape
        modules[f"fc{number}"] = nn.Linear(inputs, units)
        if number < 8:
            modules[f"relu{number}"] = nn.ReLU()
            if preset != "torchvision":
                modules[f"half{number}"] = _Half()
    network = nn.Sequential()
    for name, module in modules.items():
        network.add_module(name, module)
    for name, (kernel, bias) in arrays.items():
        module = network.get_submodule(name)
        module.weight.data, module.bias.data = torch.from_numpy(kernel), torch.from_numpy(bias)
    return network


def _in_pytorch(preset, network, file):
    """A network in PyTorch with random weights, which it saves."""
    modules = _torch_network(preset, channels_first(enliven(AlexNet(network, classifier_activation=None))))
    torch.save(modules.state_dict(), file)
    return modules


def _nchw(images):
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


@pytest.mark.parametrize("preset", ["torchvision", "paper"])
def test_forward_in_pytorch(preset, tmp_path):
    network = _in_pytorch(preset, preset, tmp_path / "net.pth")
    model = AlexNet(preset, weights=str(tmp_path / "net.pth"), classifier_activation=None)
    inputs = preprocess_input(figures(8, model.input_shape[1]), preset, mean=(123.675, 116.28, 103.53))
    scaled = inputs / np.float32(_DEVIATION) if preset == "torchvision" else inputs
    assert_close(f"{preset}, logits", model(inputs), network(_nchw(scaled)).detach().numpy(), 1e-4)


@pytest.mark.parametrize("preset", ["torchvision", "paper"])
def test_gradients_in_pytorch(preset, tmp_path):
    """At a quarter of the width, where float64 takes seconds.

    In float64, and image by image: where two inputs of a pool all but tie, rounding (LRN is computed in float32)
    decides which gets the gradient, and one image may differ. A wrong gradient would differ in all of them.
    """
    narrow = get_preset(preset).widened(1 / 4)
    network = _in_pytorch(preset, narrow, tmp_path / "net.pth").double()
    with policy("float64"):
        model = AlexNet(narrow, weights=str(tmp_path / "net.pth"), classifier_activation=None)
        gradients = AlexNet(narrow, classifier_activation=None)
    errors = []
    for label, image in enumerate(np.random.default_rng(1).normal(0, 1, (3, 1, *model.input_shape[1:]))):
        network.zero_grad()
        logits = network(_nchw(image if preset == "torchvision" else image * _DEVIATION))
        nn.functional.cross_entropy(logits, torch.tensor([label])).backward()
        with tf.GradientTape() as tape:
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits([label], model(image * _DEVIATION, training=False))
        actual = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
        for variable, gradient in zip(gradients.trainable_variables, actual, strict=True):
            variable.assign(gradient)
        errors.append([])
        for name, (kernel, bias) in channels_first(gradients).items():
            module = network.get_submodule(name)
            for ours, theirs in ((kernel, module.weight.grad.numpy()), (bias, module.bias.grad.numpy())):
                errors[-1].append(np.abs(ours - theirs).max() / np.abs(theirs).max())
    error = np.median(errors, axis=0).max()
    print(f"{preset}, gradients: relative error {error:.1e}, at most 1e-03")
    assert error <= 1e-3
