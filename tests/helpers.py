"""What several test modules need: figures as inputs, weights that keep activations alive, files of other programs."""

import io
import json
import os
import pathlib
import sys
import tarfile
import time

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.data import shapes
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.prepare import prepare
from alexnet_tf.data.prepare_options import PrepareOptions
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import InputPreprocessing
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.caffe import Net
from alexnet_tf.training.loop import Options

# How most tests train: what TensorBoard shows of layers takes longer than their few steps.
UNWATCHED = Options("none", layer_summaries_every=0)


def requires(tool, why):
    """The mark of tests that need a tool: without it they are skipped, but not in CI, which installs it (on Linux)."""
    in_ci = sys.platform == "linux" and bool(os.environ.get("CI"))
    return pytest.mark.skipif(not tool and not in_ci, reason=why)


def made_once(tmp_path_factory, name, make):
    """A directory that one of pytest's processes makes for all of them.

    Args:
        tmp_path_factory: pytest's fixture.
        name: of the directory.
        make: fills the directory; called in one process.
    """
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    made, partial = root / name, root / f"{name}.partial"
    try:
        (root / f"{name}.begun").mkdir()  # It stays, so that no process begins again.
    except FileExistsError:
        deadline = time.monotonic() + 300
        while not made.exists():
            assert time.monotonic() < deadline, f"another process did not finish {made}"
            time.sleep(0.05)
    else:
        partial.mkdir()
        make(partial)
        partial.rename(made)
    return made


def figures(count, side):
    """Drawn figures as uint8 (count, side, side, 3)."""
    margin = (shapes.SIDE - side) // 2
    cut = slice(margin, margin + side)
    return np.stack([shapes.draw(0, "validation", i)[0][cut, cut] for i in range(count)])


def assert_close(what, found, expected, bound):
    """Asserts that the largest error, relative to the largest value, is within a bound; `pytest -rP` shows it."""
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"{what}: relative error {error:.1e}, at most {bound:.0e}")
    assert error <= bound, what


def narrow_predictor(preset):
    """A network with ten classes and an input of 67 pixels that is not trained.

    He's initialization, with which ten classes get different probabilities from an untrained network.
    """
    network = get_preset(preset).widened(1 / 16).changed(Conv={"kernel_init": "he"}, Dense={"kernel_init": "he"})
    model = AlexNet(network, input_shape=(67, 67, 3), classes=10)
    return KerasPredictor(preset, tuple("abcdefghij"), InputPreprocessing(76, 67, np.full(3, 127, np.float32)), model)


def enliven(model, seed=0):
    """Gives a network weights with which activations neither die nor grow, biases included."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            fan_in = np.prod(layer.kernel.shape[:-1])
            scale = np.sqrt(2 / fan_in) / (60 if layer.name == "conv1" else 1)
            kernel = rng.standard_normal(layer.kernel.shape, np.float32) * np.float32(scale)
            biases = [rng.normal(0, 0.1, layer.bias.shape).astype(np.float32)] if layer.use_bias else []
            layer.set_weights([kernel, *biases])
    return model


def channels_first(model, bgr=False):
    """A network's weights as Caffe and PyTorch store them: {layer: (kernel, bias)}."""
    found = {}
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        kernel, bias = (weight.numpy() for weight in (layer.kernel, layer.bias))
        if layer.name == "conv1" and bgr:
            kernel = kernel[:, :, ::-1]
        if layer.name == "fc6":
            height, width, channels = model.get_layer("flatten").input.shape[1:]
            kernel = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        found[layer.name] = np.ascontiguousarray(kernel), bias
    return found


def state_dict(arrays):
    """A PyTorch state dict with our layers' names."""
    import torch  # Takes seconds that most tests do not need.

    return {
        f"{name}.{part}": torch.from_numpy(array)
        for name, pair in arrays.items()
        for part, array in zip(("weight", "bias"), pair, strict=True)
    }


def caffemodel(arrays, v1):
    """The bytes of a `.caffemodel` with V1 layers and legacy sizes, or with newer ones."""
    net = Net(name="net")
    for name, blobs in arrays.items():
        layer = (net.layers if v1 else net.layer).add(name=name)
        if v1:
            layer.MergeFromString(bytes([5 << 3, 4 if blobs[0].ndim == 4 else 14]))  # type: CONVOLUTION, INNER_PRODUCT
        else:
            kind = b"Convolution" if blobs[0].ndim == 4 else b"InnerProduct"
            layer.MergeFromString(bytes([(2 << 3) + 2, len(kind)]) + kind)
        for array in blobs:
            blob = layer.blobs.add(data=array.astype("<f4").tobytes())
            if v1:
                blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - array.ndim) + array.shape
            else:
                blob.shape.dim.extend(array.shape)
    return net.SerializeToString()


def tar_of(files):
    """The bytes of a tar with {name: bytes} inside."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


# The classes of the first validation images, as the ground truth has them.
IMAGENET_CLASSES = ("n01751748", "n02105855", "n09193705")


def imagenet_tars(folder, image):
    """Writes ILSVRC's two tar files, small: four training images of each of three classes, three for validation.

    Args:
        folder: path to write into.
        image: from a number to an image file's bytes, all different.
    """
    folder.mkdir(parents=True)
    inside = {
        f"{name}.tar": tar_of({f"{name}_{i}.JPEG": image(10 * number + i) for i in range(4)})
        for number, name in enumerate(IMAGENET_CLASSES)
    }
    (folder / "ILSVRC2012_img_train.tar").write_bytes(tar_of(inside))
    # Not in the order of their names, as a tar need not be.
    held_out = {f"ILSVRC2012_val_{i:08d}.JPEG": image(100 + i) for i in (3, 1, 2)}
    (folder / "ILSVRC2012_img_val.tar").write_bytes(tar_of(held_out))


def noise_jpeg(seed, height=90, width=80):
    """A JPEG file of smooth colored noise, which JPEG keeps well."""
    cells = np.random.default_rng(seed).integers(0, 256, (1, 6, 6, 3)).astype(np.float32)
    pixels = tf.image.resize(cells, (height, width), "bicubic")[0]
    return tf.io.encode_jpeg(tf.cast(tf.clip_by_value(pixels, 0, 255), tf.uint8)).numpy()


def photo_folder(root):
    """Writes two classes of thirty images of different sizes, portrait and landscape."""
    for number in range(60):
        file = root / "ab"[number % 2] / f"{number:02d}.jpg"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(noise_jpeg(number, 50 + 3 * (number % 7), 60 + 5 * (number % 3)))


def dark_and_light(root):
    """A folder of two classes, told apart by their brightness; sizes that do not divide by a batch of 8."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 21), ("val", 7)):
        for label, name in enumerate(("dark", "light")):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 100, (80, 90, 3)) + 140 * label
                data = tf.io.encode_png(pixels.astype(np.uint8)).numpy()
                (root / split / name / f"{i}.png").write_bytes(data)
    return root


def prepared_dark_and_light(root):
    """The same images as a prepared dataset of raw pixels, in `root / "records"`; returns its name for `open_dataset`.

    Reading it begins in a tenth of the time that image files take, which is longer than the runs of most tests.
    """
    folder = dark_and_light(root / "files")
    options = PrepareOptions(size=76, format="raw")
    prepare(open_dataset(f"folder:{folder}"), root / "records", options, workers=1)
    return f"records:{root / 'records'}"


def journal(workdir, kind="train"):
    """{step: row} of a run's `metrics.jsonl`; of steps that were done again, the last."""
    rows = map(json.loads, (pathlib.Path(workdir) / "metrics.jsonl").read_text().splitlines())
    return {row["step"]: row for row in rows if row["kind"] == kind}
