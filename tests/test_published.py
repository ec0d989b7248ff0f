"""Published networks, full size, against runtimes that are not ours: OpenCV's dnn and PyTorch."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
import torch
from helpers import assert_close, caffemodel, channels_first, enliven, figures
from torch import nn

from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.precision import policy
from alexnet_tf.models.pretrained.imagenet import preprocess_input

pytestmark = pytest.mark.slow

# Kernel size, filters, stride, padding, groups.
_CONVOLUTIONS = {
    "conv1": (11, 96, 4, 0, 1), "conv2": (5, 256, 1, 2, 2), "conv3": (3, 384, 1, 1, 1), "conv4": (3, 384, 1, 1, 2),
    "conv5": (3, 256, 1, 1, 2),
}  # fmt: skip
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
    """The network in PyTorch, with modules named as our layers are."""
    wide = {"torchvision": (64, 192, 384, 256, 256)}.get(preset, (96, 256, 384, 384, 256))
    groups = 2 if preset == "paper" else 1
    # PyTorch divides alpha by the size.
    norm = {} if preset == "torchvision" else {n: nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0) for n in (1, 2)}
    modules, channels = {}, 3
    for number, filters in enumerate(wide, 1):
        kernel, _, stride, padding, grouped = _CONVOLUTIONS[f"conv{number}"]
        padding = 2 if preset == "torchvision" and number == 1 else padding
        grouped = groups if grouped == 2 else 1
        modules[f"conv{number}"] = nn.Conv2d(channels, filters, kernel, stride, padding, groups=grouped)
        modules[f"relu{number}"] = nn.ReLU()
        if number in norm:
            modules[f"norm{number}"] = norm[number]
        if number in (1, 2, 5):
            modules[f"pool{number}"] = nn.MaxPool2d(3, 2)
        channels = filters
    modules["flatten"] = nn.Flatten()
    for number, units in ((6, (9216, 4096)), (7, (4096, 4096)), (8, (4096, 1000))):
        modules[f"fc{number}"] = nn.Linear(*units)
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


@pytest.mark.parametrize("preset", ["torchvision", "paper"])
def test_forward_and_gradients_in_pytorch(preset, tmp_path):
    source = enliven(AlexNet(preset, classifier_activation=None))
    arrays = channels_first(source)
    network = _torch_network(preset, arrays)
    file = tmp_path / "net.pth"
    torch.save(network.state_dict(), file)
    model = AlexNet(preset, weights=str(file), classifier_activation=None)
    images, labels = figures(8, model.input_shape[1]), np.arange(8)
    inputs = preprocess_input(images, preset, mean=(123.675, 116.28, 103.53))
    scaled = inputs / np.float32([58.395, 57.12, 57.375]) if preset == "torchvision" else inputs
    scaled = torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))
    expected = network(scaled).detach().numpy()
    assert_close(f"{preset}, logits", model(inputs), expected, 1e-4)

    # In float64, and image by image: where two inputs of a pool all but tie, rounding (LRN is computed in float32)
    # decides which gets the gradient, and one image may differ. A wrong gradient would differ in all of them.
    network = network.double()
    with policy("float64"):
        model = AlexNet(preset, weights=str(file), classifier_activation=None)
        gradients = AlexNet(preset, classifier_activation=None)
    noise = np.random.default_rng(1).normal(0, 1, (3, *model.input_shape[1:]))
    deviation = np.array([58.395, 57.12, 57.375])
    errors = []
    for image, label in zip(noise, labels[:3], strict=True):
        network.zero_grad()
        scaled = image if preset == "torchvision" else image * deviation
        logits = network(torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])))
        nn.functional.cross_entropy(logits, torch.tensor([label])).backward()
        with tf.GradientTape() as tape:
            logits = model(image[None] * deviation, training=False)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits([label], logits)
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
