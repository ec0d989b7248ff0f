"""A part of the corpus of hostile images, in every way of reading; `tools/hostile_corpus.py` reads all of it."""

import os
import pathlib
import re
import subprocess
import sys

import helpers
import hostile_images
import pytest
import tensorflow as tf
from PIL import Image

from alexnet_tf.data import decoding, folder, gif, prepare_images, prepare_options
from alexnet_tf.data.sources import Original
from alexnet_tf.errors import UserError

TOOL = pathlib.Path(__file__).resolve().parent.parent / "tools" / "hostile_corpus.py"


@pytest.mark.slow
def test_a_hundred_of_them_in_bounded_time_and_memory():
    done = subprocess.run(
        [sys.executable, TOOL, "--count=110", "--saved=0"], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    summary = re.search(r"110 files .* 0 failed; .* memory ([\d.]+) GB", done.stdout)
    assert summary and float(summary[1]) < 2


def test_the_corpus_is_seeded():
    one, two = (list(hostile_images.corpus(60, seed=3)) for _ in range(2))
    assert one == two and one != list(hostile_images.corpus(60, seed=4))


@pytest.fixture(scope="module")
def image():
    return Image.fromarray(tf.io.decode_jpeg(helpers.noise_jpeg(0, 60, 50)).numpy())


def test_a_gif_is_cut_after_its_first_image(image):
    turns = [image.rotate(angle) for angle in range(0, 360, 30)]
    single = hostile_images.saved(image, "GIF")
    expected = tf.io.decode_gif(single)[0].numpy()
    for data in (
        single,
        hostile_images.saved(image, "GIF", save_all=True, append_images=turns, comment=b"c" * 5000),
        hostile_images.gif_bomb(image, 2_000, 3),
    ):
        cut, size = gif.first_image(tf.constant(data))
        assert size.numpy().tolist() == [60, 50] and len(cut.numpy()) <= len(data)
        assert (tf.io.decode_gif(cut).numpy() == expected).all()
    assert len(cut.numpy()) < len(data) / 2
    # Wherever a file is cut short, the walk ends.
    for end in range(0, len(data), 997):
        gif.first_image(tf.constant(data[:end]))


@pytest.fixture(scope="module")
def predictor():
    return helpers.narrow_predictor("paper")


@pytest.fixture(scope="module")
def preparer():
    return prepare_images.Preparer(prepare_options.PrepareOptions(size=76))


@pytest.mark.parametrize(
    "name, message",
    [
        ("webp", "^WebP is not supported: convert it"), ("jpeg xl", "^JPEG XL is not supported"),
        ("tiff", "^TIFF is not supported"), ("avif", "^AVIF is not supported"), ("svg", "^SVG is not supported"),
        ("text", "^not a JPEG, PNG, GIF or BMP image$"), ("empty", "^an empty file$"),
        ("large jpeg", "at most 100,000,000 pixels .* Received: 30000 30000$"), ("large gif", "at most 100,000,000"),
        ("large image in a gif", "at most 100,000,000 pixels"), ("scans", "^a JPEG must have at most 20 scans"),
    ],
)  # fmt: skip
def test_refused_files_are_told_why(name, message, predictor, preparer):
    data = hostile_images.seeds(0)[name][0]
    with pytest.raises(UserError, match=message):
        predictor.predict(data)
    ((_, reason),) = preparer([Original("x", 0, lambda: data)]).skipped
    assert re.search(message, reason)


def test_a_pipe_that_is_named_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("pipe.jpg")
    for name in ("pipe.jpg", "link.jpg"):
        with pytest.raises(UserError, match=f"IMAGE must be a regular file, got '.*{name}'"):  # features
            folder.files_split([str(tmp_path / name)])
        ((_, probabilities, error),) = helpers.narrow_predictor("paper").predict_files([tmp_path / name])
        assert probabilities is None and error == "not a regular file"


def test_damaged_files_are_told_why(image, preparer):
    for kind in ("JPEG", "PNG", "BMP"):
        data = hostile_images.saved(image, kind)[:-200]
        ((_, reason),) = preparer([Original("x", 0, lambda data=data: data)]).skipped
        assert reason.startswith("damaged: ") and "Graph" not in reason and len(reason) > 20, reason


def test_ordinary_scans_are_counted_only_where_they_matter(image):
    for copies in (0, 9, 500):
        decoding.decode(tf.constant(hostile_images.many_scans(image, copies)))
    large = hostile_images.many_scans(image.resize((2000, 2000)), 60)
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 20 scans"):
        decoding.decode(tf.constant(large))
