"""What the tests of weight files share: narrow networks, files, and a watch over the reading of hostile ones."""

import contextlib
import io
import pathlib
import pickle
import resource
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from helpers import figures
from torch import nn

from alexnet_tf.errors import UserError
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.load import read_weights

SIDE, CLASSES = 67, 10


def narrow_network(preset):
    return get_preset(preset) if preset == "four_layers" else get_preset(preset).widened(1 / 16)


def logits_model(network, weights=None, side=SIDE):
    return AlexNet(network, input_shape=(side, side, 3), classes=CLASSES, weights=weights, classifier_activation=None)


def inputs(side=SIDE):
    return figures(8, side).astype(np.float32) - np.float32([123.675, 116.28, 103.53])


def nchw(inputs):
    return np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))


def run_onnx(model, inputs, output=None):
    session = onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model))
    outputs = None if output is None else [output]
    return session.run(outputs, {session.get_inputs()[0].name: inputs})[0]


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


def torch_logits(network, inputs):
    scaled = nchw(inputs / np.float32([58.395, 57.12, 57.375]))
    return network(torch.from_numpy(scaled)).detach().numpy()


# What makes `torch.save` write the format before PyTorch 1.6.
LEGACY = {"_use_new_zipfile_serialization": False}


def saved(state, **options):
    """The bytes of a `.pth` file."""
    out = io.BytesIO()
    torch.save(state, out, **options)
    return out.getvalue()


def npy_of(contents, protocol=4, pickler=pickle._Pickler):
    """The bytes of an `.npy` file of a pickled object."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickler(out, protocol).dump(contents)
    return out.getvalue()


def plain_npy(array):
    """The bytes of an `.npy` file of an array."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@contextlib.contextmanager
def watched():
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


def assert_refused(path, message):
    """Asserts that reading a weight file ends in one error, as `watched` demands."""
    with watched(), pytest.raises(UserError, match=message) as raised:
        read_weights(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 600


class Code:
    """An object whose unpickling calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call
