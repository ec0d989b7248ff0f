"""Damaged and hostile model, manifest and weight files, made by seeded changes of good ones, and what becomes of them.

As a script: `python model_corpus.py ROOT FIRST LAST` opens the files with numbers from FIRST to LAST - 1, and prints
a JSON list of name, outcome, message and seconds of processor time for each. `ROOT/good` is what `good_files` wrote.
"""

import copy
import hashlib
import json
import pathlib
import random
import re
import resource
import shutil
import sys
import warnings

import h5py  # noqa: F401 - imported here so that the first file does not pay for it
import helpers
import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError
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
JUNK = (None, True, 0, -1, 2**63, 10**400, 1e308, float("nan"), "", "x" * 100_000, "../../secret", "\x1b[31m", [], {},
        [None] * 10_000, {"a": {"b": []}}, [[[]]] * 100, "manifest.json", 67, "dark")  # fmt: skip


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


def _damage(data, rng):
    """Bytes with one kind of damage; text stays text half of the time."""
    data, kind = bytearray(data), rng.randrange(7)
    place, count = rng.randrange(len(data)), rng.randint(1, 64)
    if kind == 0:
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[place : place + count] = rng.randbytes(count)
    elif kind == 2:
        data[place : place + count] = b"\xff" * count
    elif kind == 3:
        del data[place:]
    elif kind == 4:
        data[place : place + count] = b""
    elif kind == 5:
        other = rng.randrange(len(data))
        data[place : place + count] = data[other : other + count]
    else:  # The first bytes, where most formats declare their sizes.
        place = rng.randrange(min(len(data), 200))
        data[place : place + 8] = rng.choice([b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, rng.randbytes(8)])
    return bytes(data)


def _change_a_field(fields, rng):
    """Replaces, or deletes, a random value somewhere in an object."""
    target = fields
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = rng.choice(keys)
        if isinstance(target[key], dict | list) and target[key] and rng.random() < 0.6:
            target = target[key]
        elif rng.random() < 0.2:
            del target[key]
            return
        else:
            target[key] = copy.deepcopy(rng.choice(JUNK))
            return


def make(root, number):
    """Makes the file with a number; returns its name and a function that opens it."""
    rng = random.Random(number)
    kind = KINDS[number % len(KINDS)]
    folder, _, name = kind.partition("/")
    case = root / str(number)
    if folder == "weights":
        case.mkdir()
        path = case / name
        path.write_bytes(_damage((root / "good" / kind).read_bytes(), rng))
        return kind, lambda: _model(weights=path)
    shutil.copytree(root / "good" / "out", case)
    if folder == "field":
        fields = json.loads((case / "manifest.json").read_text())
        _change_a_field(fields, rng)
        (case / "manifest.json").write_text(json.dumps(fields))
        name = "manifest.json"
    else:
        (case / name).write_bytes(_damage((case / name).read_bytes(), rng))
    if folder == "signed":
        fields = json.loads((case / "manifest.json").read_text())
        fields["files"][name]["sha256"] = hashlib.sha256((case / name).read_bytes()).hexdigest()
        (case / "manifest.json").write_text(json.dumps(fields))
    paths = [case / name] if name.startswith("model.") else [case, case / "model.tflite", case / "model.onnx"]
    path = rng.choice(paths)
    return kind, lambda: open_predictor(path).predict(PHOTO) if rng.random() < 0.5 else verify(case)


PHOTO = tf.io.encode_png(np.random.default_rng(1).integers(0, 256, (80, 90, 3)).astype(np.uint8)).numpy()


def _seconds():
    """Of processor time, of this process and those that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _gigabytes():
    """The most memory that this process has had. Not ru_maxrss, which includes that of the process that started it."""
    status = pathlib.Path("/proc/self/status")
    if not status.exists():  # Not Linux.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1e6


def main(root, first, last):
    warnings.simplefilter("ignore")
    open_predictor(root / "good" / "out").predict(PHOTO)  # What is slow only once.
    # In a new environment the first use of a library also compiles its modules, here and in the process that reads .h5.
    for name in ("net.pth", "net.weights.h5"):
        _model(weights=root / "good" / "weights" / name)
    for number in range(first, last):
        print(json.dumps([number, KINDS[number % len(KINDS)], "begun", "", 0.0]), flush=True)
        kind, open_it = make(root, number)
        start = _seconds()
        try:
            open_it()
            outcome, message = "opened", ""
        except UserError as error:
            outcome, message = "refused", str(error)
        except Exception as error:
            outcome, message = "bug", repr(error)
        print(json.dumps([number, kind, outcome, message, _seconds() - start, _gigabytes()]), flush=True)
        shutil.rmtree(root / str(number))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
