"""A thousand files that are damaged, or not what they seem, among good ones."""

import io
import json
import random
import struct
import subprocess
import sys
import tempfile

import helpers
import numpy as np
import pytest
import tensorflow as tf
from hostile_images import claiming, png_claiming, saved
from PIL import Image, ImageOps

from alexnet_tf.data import datasets, decoding, file_crop, images, pipeline, sampling
from alexnet_tf.data.augmentation import Augmentation
from alexnet_tf.exporting import saved_model
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import InputPreprocessing
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset

GOOD, SIDES = 40, (120, 100)


def _pixels(seed):
    return tf.io.decode_jpeg(helpers.noise_jpeg(seed, *SIDES)).numpy()


def _flipped(data, rng):
    data = bytearray(data)
    for _ in range(rng.randint(1, 20)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _exif(image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, "JPEG", exif=exif)


def _turned_kinds(seed):
    """Files that are unusual and good: {kind: bytes}."""
    image = Image.fromarray(_pixels(seed))
    deep = _pixels(seed).astype(np.uint16) * 257
    return {
        "cmyk": saved(image.convert("CMYK"), "JPEG"), "gray": saved(image.convert("L"), "JPEG"),
        "png": saved(image, "PNG"), "rgba": saved(image.convert("RGBA"), "PNG"),
        "palette": saved(image.convert("P"), "PNG"), "bmp": saved(image, "BMP"), "gif": saved(image, "GIF"),
        "deep": tf.io.encode_png(deep).numpy(), "progressive": saved(image, "JPEG", progressive=True),
        "animated": saved(image, "GIF", save_all=True, append_images=[image.rotate(90), image.rotate(180)]),
        "turned": _exif(image, 6),
    }  # fmt: skip


def _damaged(number, rng):
    """The bytes of a damaged file, and what to call it: "bad", "cut" short, or "flipped", which may still be read."""
    whole = helpers.noise_jpeg(number, *SIDES)
    kinds = [
        (whole[: rng.randrange(1, len(whole) - 2)], "cut"), (b"", "bad"), (b"\0" * rng.randrange(1, 5000), "bad"),
        (b"This is no image.", "bad"), (claiming(whole, 30_000), "bad"), (png_claiming(30_000), "bad"),
        (b"GIF89a" + struct.pack("<HH", 30_000, 30_000) + bytes(99), "bad"), (_flipped(whole, rng), "flipped"),
        (b"BM" + bytes(16) + struct.pack("<ii", 30_000, -30_000) + bytes(99), "bad"),
        (saved(Image.fromarray(np.zeros((1, 900, 3), np.uint8)), "PNG"), "bad"),
    ]  # fmt: skip
    return kinds[number % len(kinds)]


@pytest.mark.parametrize("kind", _turned_kinds(0))
def test_unusual_files_are_read_as_pillow_reads_them(kind):
    data = _turned_kinds(3)[kind]
    stored = Image.open(io.BytesIO(data))
    expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB")).astype(float)
    actual = decoding.decode(tf.constant(data)).numpy()
    assert actual.shape == expected.shape
    # Pillow has a conversion from CMYK, and an inverse transform, of its own.
    assert np.abs(actual - expected).mean() < 2
    assert tuple(decoding.declared_size(tf.constant(data)).numpy()[::-1]) == stored.size


# Traced once: eagerly, one image takes as long as tracing.
_decode = tf.function(decoding.decode, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
_RESIZE_CROP = images.ResizeCrop(50, 40)
_CENTER = tf.fill([2], _RESIZE_CROP.center_offset)


@tf.function
def _windows(data, pixels):
    """The center of an image: from its file exactly, from its file fast, and from its pixels."""
    from_file = [file_crop.crop_from_file(data, _RESIZE_CROP, _CENTER, exact) for exact in (True, False)]
    return *from_file, images.crop_from_pixels(pixels, _RESIZE_CROP, _CENTER)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(10))
def test_exif_turns_images_as_in_pillow(orientation, order):
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112] = "A maker", orientation
    data = saved(Image.fromarray(_pixels(0)), "JPEG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    expected = tf.constant(np.asarray(upright), tf.uint8)
    assert np.abs(_decode(tf.constant(data)).numpy().astype(int) - expected.numpy()).max() <= 3
    exact, fast, window = (window.numpy().astype(int) for window in _windows(tf.constant(data), expected))
    assert np.abs(exact - window).mean() <= 1
    assert np.abs(fast - window).mean() <= 8


@pytest.mark.parametrize("data", [claiming(helpers.noise_jpeg(0), 30_000), png_claiming(30_000)])
@pytest.mark.parametrize("exact", [True, False])
def test_large_claims_are_refused(data, exact):
    window = tf.function(lambda data: file_crop.crop_from_file(data, images.ResizeCrop(76, 67), tf.zeros([2]), exact))
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 100,000,000 pixels"):
        window(tf.constant(data))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("hostile"), random.Random(0)
    for part, good, bad in (("train", GOOD, 1000), ("val", 4, 4)):
        for name in "ab":
            (root / part / name).mkdir(parents=True)
        for number in range(good):
            kinds = {"jpeg": helpers.noise_jpeg(number, *SIDES), **_turned_kinds(number)}
            data = list(kinds.values())[number % len(kinds)]
            (root / part / "ab"[number % 2] / f"good{number}.jpg").write_bytes(data)
        for number in range(bad):
            data, kind = _damaged(number, rng)
            (root / part / "ab"[number % 2] / f"{kind}{number}.jpg").write_bytes(data)
    return root


def test_training_and_evaluation_skip_them(folder):
    dataset = datasets.open_dataset(f"folder:{folder}")
    resize_crop = images.ResizeCrop(76, 67)
    seen = {}
    batches = pipeline.evaluation_batches(dataset.train, 2, 64, resize_crop)
    for start, batch in enumerate(batches):
        for slot, name in enumerate(dataset.train.names[64 * start : 64 * (start + 1)]):
            seen[name] = batch["weight"].numpy()[slot], batch["image"].numpy()[slot]
    assert {name for name, (weight, _) in seen.items() if not weight} == dataset.train.skipped
    center = tf.fill([2], resize_crop.center_offset)
    for name, (weight, image) in seen.items():
        assert weight == ("good" in name) or "flipped" in name, name
        if "good" in name:
            np.testing.assert_array_equal(image, file_crop.crop_from_file(tf.io.read_file(name), resize_crop, center))
    # Training does not look beyond its window, so it may not notice what was cut off.
    steps = range(dataset.train.count // 64)
    sampler = sampling.Sampler(64, steps, 0)
    batches = pipeline.training_batches(dataset.train, 2, 64, resize_crop, Augmentation(), 0, steps)
    for step, batch in zip(steps, batches, strict=True):
        for index, weight in zip(sampler.indices(step, dataset.train.count).numpy(), batch["weight"], strict=True):
            name = dataset.train.names[index]
            assert weight == ("good" in name) or "flipped" in name or "cut" in name, name


_WATCH = """
import resource, subprocess, sys

code = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def _watched(command):
    """Runs a command; returns what came of it, and its peak of memory in kB.

    Started by a process of its own, since a child's peak includes its parent's memory at the time of the fork.
    """
    with tempfile.NamedTemporaryFile("r") as peak:
        done = subprocess.run(
            [sys.executable, "-c", _WATCH, peak.name, *command], capture_output=True, text=True, timeout=300
        )
        return done, int(peak.read())


@pytest.mark.slow
def test_prepare_counts_and_names_them_in_bounded_memory(folder, tmp_path):
    done, peak = _watched(
        [sys.executable, "-m", "alexnet_tf", "prepare", f"--dataset=folder:{folder}", f"--out={tmp_path / 'set'}",
         "--size=76", "--workers=4"]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # TensorFlow alone takes 0.6 GB; a single image of 30,000 by 30,000 pixels would be 2.7 GB.
    assert peak < 2**20
    rows = [line.split("\t") for line in (tmp_path / "set" / "skipped.tsv").read_text().splitlines()]
    named = {name for _, name, _ in rows}
    every = {str(file) for file in folder.rglob("*.jpg")}
    assert (
        {file for file in every if "bad" in file or "cut" in file}
        <= named
        <= {file for file in every if "good" not in file}
    )
    assert all(reason for _, _, reason in rows)
    assert sum("100,000,000 pixels" in reason for _, _, reason in rows) >= 400
    description = json.loads((tmp_path / "set" / "dataset.json").read_text())
    counts = [(part["count"], part["skipped"]) for part in description["splits"].values()]
    assert sum(map(sum, counts)) == len(every) and sum(skipped for _, skipped in counts) == len(rows)
    kept = (tmp_path / "set" / "train.txt").read_text().splitlines()
    assert sum("good" in name for name in kept) == GOOD


_SERVE = """
import json, pathlib, sys
import tensorflow as tf

served = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
files = sorted(pathlib.Path(sys.argv[2]).rglob("*.jpg"))
labels = {}
for start in range(0, len(files), 64):
    part = files[start : start + 64]
    answer = served(encoded=tf.constant([file.read_bytes() for file in part]))
    labels |= {file.name: label.decode() for file, label in zip(part, answer["labels"][:, 0].numpy())}
print(json.dumps({"labels": labels, "ours": "alexnet_tf" in sys.modules}))
"""


@pytest.mark.slow
def test_a_served_model_answers_each(folder, tmp_path):
    """A program that knows TensorFlow alone; good images stand in the same batches as bad ones."""
    network = get_preset("paper").widened(1 / 16).changed(Conv={"kernel_init": "he"}, Dense={"kernel_init": "he"})
    model = AlexNet(network, input_shape=(67, 67, 3), classes=4)
    preprocessing = InputPreprocessing(76, 67, np.full(3, 127, np.float32))
    predictor = KerasPredictor("narrow", tuple("wxyz"), preprocessing, model)
    saved_model.write(predictor, tmp_path / "model")
    done, peak = _watched([sys.executable, "-c", _SERVE, tmp_path / "model", folder])
    assert done.returncode == 0, done.stderr
    actual = json.loads(done.stdout)
    assert not actual["ours"] and peak < 2**21
    assert len(actual["labels"]) > 1000
    for file in folder.rglob("*.jpg"):
        label = actual["labels"][file.name]
        if "good" in file.name:
            assert label == "wxyz"[predictor.predict(file.read_bytes()).argmax()], file
        elif "flipped" not in file.name:
            assert label == "invalid", file
