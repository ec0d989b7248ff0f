"""Damaged and hostile model, manifest and weight files, made by seeded changes of good ones; see `corpora`."""

import hashlib
import json
import random
import shutil

import damage
import h5py  # noqa: F401 - imported here so that the first file does not pay for it
import helpers
import numpy as np
import tensorflow as tf

from alexnet_tf.exporting.export import export
from alexnet_tf.exporting.verification import verify
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.writers import save_weights
from alexnet_tf.runs.opening import open_predictor

EXPORT = ("manifest.json", "saved_model/saved_model.pb", "saved_model/variables/variables.index",
          "saved_model/variables/variables.data-00000-of-00001", "model.tflite", "model.onnx", "labels.txt",
          "test_image.png")  # fmt: skip
WEIGHTS = ("net.weights.h5", "net.pth", "legacy.pth", "net.safetensors", "net.onnx", "net.npy", "net.caffemodel")
# A file is damaged; or a file is damaged and its sum in the manifest is right; or a field of the manifest is wrong.
KINDS = (
    *(f"weights/{name}" for name in WEIGHTS),
    *(f"out/{name}" for name in EXPORT),
    *(f"signed/{name}" for name in EXPORT[4:6]),
    *(f"field/{number}" for number in range(7)),
)
UNPROTECTED = ()


def _network():
    return get_preset("caffe").widened(1 / 16)


def _model(**arguments):
    return AlexNet(_network(), input_shape=(67, 67, 3), classes=3, **arguments)


def good_files(root):
    """Writes good files of every kind to `root/good`."""
    import torch

    good = root / "good"
    (good / "weights").mkdir(parents=True)
    model = helpers.enliven(_model())
    for name in ("net.weights.h5", "net.safetensors", "net.onnx"):
        save_weights(model, _network(), good / "weights" / name)
    arrays = helpers.channels_first(model)
    torch.save(helpers.state_dict(arrays), good / "weights" / "net.pth")
    torch.save(helpers.state_dict(arrays), good / "weights" / "legacy.pth", _use_new_zipfile_serialization=False)
    pairs = {layer: list(pair) for layer, pair in helpers.channels_first(model, bgr=True).items()}
    (good / "weights" / "net.caffemodel").write_bytes(helpers.caffemodel(pairs, v1=False))
    hwio = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    with open(good / "weights" / "net.npy", "wb") as file:
        np.save(file, np.array(hwio, dtype=object), allow_pickle=True)
    images = np.random.default_rng(0).integers(0, 256, (2, 67, 67, 3)).astype(np.uint8)
    export(helpers.narrow_predictor("paper"), good / "out", ["saved_model", "tflite", "onnx"], images=images)


def make(root, number):
    """Makes the file with a number; returns its name and a function that opens it."""
    rng = random.Random(number)
    kind = KINDS[number % len(KINDS)]
    folder, _, name = kind.partition("/")
    case = root / str(number)
    if folder == "weights":
        case.mkdir()
        path = case / name
        path.write_bytes(damage.damaged((root / "good" / kind).read_bytes(), rng))
        return kind, lambda: _model(weights=path) is not None
    shutil.copytree(root / "good" / "out", case)
    if folder == "field":
        fields = json.loads((case / "manifest.json").read_text())
        damage.change_a_field(fields, rng)
        (case / "manifest.json").write_text(json.dumps(fields))
        name = "manifest.json"
    else:
        (case / name).write_bytes(damage.damaged((case / name).read_bytes(), rng))
    if folder == "signed":
        fields = json.loads((case / "manifest.json").read_text())
        fields["files"][name]["sha256"] = hashlib.sha256((case / name).read_bytes()).hexdigest()
        (case / "manifest.json").write_text(json.dumps(fields))
    paths = [case / name] if name.startswith("model.") else [case, case / "model.tflite", case / "model.onnx"]
    path = rng.choice(paths)
    return kind, lambda: bool(open_predictor(path).predict(PHOTO).any() if rng.random() < 0.5 else verify(case))


PHOTO = tf.io.encode_png(np.random.default_rng(1).integers(0, 256, (80, 90, 3)).astype(np.uint8)).numpy()


def warm_up(root):
    """Does what is slow only once; in a new environment the first use of a library also compiles its modules."""
    open_predictor(root / "good" / "out").predict(PHOTO)
    for name in ("net.pth", "net.weights.h5"):
        _model(weights=root / "good" / "weights" / name)
