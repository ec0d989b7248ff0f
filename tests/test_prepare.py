"""Prepared datasets: what is written, also after interruptions, and what training reads."""

import json
import pathlib
import random
import shutil
import signal
import time

import commands
import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.data import (
    datasets,
    decoding,
    description,
    file_crop,
    images,
    pipeline,
    prepare,
    prepare_options,
    record_splits,
    records,
    statistics,
)
from alexnet_tf.data.augmentation import Augmentation

SIZE = 40


def _prepared(photo_folder, out, **form):
    """Prepares the folder into `out`; returns the prepared dataset."""
    dataset = datasets.open_dataset(f"folder:{photo_folder}")
    prepare.prepare(dataset, out, prepare_options.PrepareOptions(**{"size": SIZE, "shard_size": 16, **form}), workers=3)
    return datasets.open_dataset(f"records:{out}")


@pytest.fixture(scope="module")
def sets(photo_folder, tmp_path_factory):
    """The folder's dataset as it is, and prepared in each format: {"source" or format: dataset}."""
    out = tmp_path_factory.mktemp("sets")
    prepared = {form: _prepared(photo_folder, out / form, format=form) for form in description.FORMATS}
    return {"source": datasets.open_dataset(f"folder:{photo_folder}"), **prepared}


def _squares(split, resize_crop=images.ResizeCrop(SIZE, SIZE)):  # noqa: B008
    batches = list(pipeline.evaluation_batches(split, 2, 8, resize_crop))
    keep = np.concatenate([batch["weight"] for batch in batches]) > 0
    return [np.concatenate([batch[key] for batch in batches])[keep] for key in ("image", "label")]


def test_raw_records_equal_their_images(sets):
    source, prepared = sets["source"], sets["raw"]
    assert prepared.class_names == source.class_names
    for ours, theirs in ((prepared.train, source.train), (prepared.validation, source.validation)):
        for actual, expected in zip(_squares(ours), _squares(theirs), strict=True):
            np.testing.assert_array_equal(actual, expected)
        # Other sizes are resized first.
        smaller, _ = _squares(ours, images.ResizeCrop(32, 27))
        expected = [images.resize_shorter_side(image, 32) for image in _squares(ours)[0]]
        np.testing.assert_array_equal(smaller, images.central_crop(np.stack(expected), 27))


def test_jpeg_records_are_close(sets):
    (actual, labels), (expected, expected_labels) = _squares(sets["jpeg"].train), _squares(sets["source"].train)
    np.testing.assert_array_equal(labels, expected_labels)
    assert np.abs(actual.astype(float) - expected).mean() < 5


@pytest.mark.parametrize("form", description.FORMATS)
def test_crops_of_records_are_crops_of_their_images(sets, form):
    prepared = sets[form]
    resize_crop, augmentation = images.ResizeCrop(SIZE, 27), Augmentation()
    batches = pipeline.training_batches(prepared.train, 2, 6, resize_crop, augmentation, 3, range(18))
    squares, labels = _squares(prepared.train)
    views = np.lib.stride_tricks.sliding_window_view(squares, (27, 27), (1, 2)).transpose(0, 1, 2, 4, 5, 3)
    seen, corners = [], set()
    for batch in batches:
        for window, label in zip(batch["image"].numpy(), batch["label"].numpy(), strict=True):
            # All but the last column, whose neighbors the decoder guesses.
            same = (views[..., :-1, :] == window[:, :-1]).all((3, 4, 5))
            which, y, x = np.argwhere(same)[0]
            assert labels[which] == label
            seen.append(which)
            corners.add((y, x))
    assert sorted(seen[:54]) == sorted(seen[54:]) == list(range(54)) and seen[:54] != seen[54:]
    assert len(corners) > 50


@pytest.mark.parametrize(
    "form, kind, name",
    [("jpeg", record_splits.JpegRecords, "_records_at"), ("raw", record_splits.RawSquares, "_square")],
)
def test_a_resumed_run_reads_no_earlier_records(sets, form, kind, name, monkeypatch):
    read, original = [], getattr(kind, name)

    def noted(self, indices):
        read.extend(np.atleast_1d(indices))
        return original(self, indices)

    monkeypatch.setattr(kind, name, noted)

    def labels(first):
        steps = range(first, 21)
        batches = pipeline.training_batches(
            sets[form].train, 2, 5, images.ResizeCrop(SIZE, 27), Augmentation(), 3, steps
        )
        return [batch["image"].numpy() for batch in batches]

    whole = labels(0)
    read.clear()
    np.testing.assert_array_equal(labels(18), whole[18:])
    assert len(read) == 15


def test_statistics_are_numpys(sets):
    for form in description.FORMATS:
        prepared, out = sets[form], pathlib.Path(sets[form].name.removeprefix("records:"))
        squares = _squares(prepared.train)[0].astype(np.float64)
        colors = squares.reshape(-1, 3)
        with np.load(out / records.STATISTICS) as actual:
            np.testing.assert_allclose(actual["mean_image"], squares.mean(0), rtol=1e-6)
            np.testing.assert_allclose(actual["rgb_mean"], colors.mean(0), rtol=1e-6)
            covariance = np.cov(colors.T, bias=True)
            np.testing.assert_allclose(actual["covariance"], covariance, rtol=1e-6, atol=1e-6 * covariance.max())
            values, vectors = np.linalg.eigh(covariance)
            np.testing.assert_allclose(actual["eigenvalues"], values[::-1], rtol=1e-6)
            np.testing.assert_allclose(abs(actual["eigenvectors"]), abs(vectors[:, ::-1]), rtol=1e-6, atol=1e-6)
        collected = statistics.collect(
            batch.images for batch in pipeline.read_split(prepared.train, 2, 7, images.ResizeCrop(SIZE, SIZE))
        )
        np.testing.assert_array_equal(collected.mean_image, prepared.statistics.mean_image)
        np.testing.assert_array_equal(collected.eigenvalues, prepared.statistics.eigenvalues)
        fields = json.loads((out / records.DESCRIPTION).read_text())
        assert fields["splits"]["train"]["class_counts"] == [27, 27]


def test_other_options_or_another_folder_are_refused(photo_folder, tmp_path):
    out = tmp_path / "set"
    _prepared(photo_folder, out)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(ValueError, match="quality: saved 95, requested 50"):
        _prepared(photo_folder, out, quality=50)
    with pytest.raises(ValueError, match="empty folder"):
        _prepared(photo_folder, shutil.copytree(photo_folder, tmp_path / "photos"))
    assert _prepared(photo_folder, out).train.count == 54  # The same command again is allowed.
    assert before == {file.name: file.read_bytes() for file in out.iterdir()}


@pytest.mark.parametrize(
    "form, message",
    [({"format": "png"}, "format must be one of jpeg, raw"), ({"size": 0}, "size must be"),
     ({"quality": 101}, "quality must be"), ({"shard_size": 0}, "shard_size must be"),
     ({"format": "raw", "square": False}, "square must be true for format='raw'")],
)  # fmt: skip
def test_bad_options_are_named(form, message):
    with pytest.raises(ValueError, match=message):
        prepare_options.PrepareOptions(**form)


def test_lost_and_shortened_shards_are_named(sets, tmp_path):
    for form, ruin, message in (
        ("raw", lambda file: file.write_bytes(file.read_bytes()[:-1]), "must have .* bytes"),
        ("raw", lambda file: file.unlink(), "is missing"),
        ("jpeg", lambda file: file.unlink(), "is missing"),
    ):
        out = tmp_path / f"{form}-{message.split()[0]}"
        shutil.copytree(sets[form].name.removeprefix("records:"), out)
        shard = sorted(out.glob("train-*"))[1]
        ruin(shard)
        with pytest.raises(ValueError, match=f"{shard.name} {message}"):
            datasets.open_dataset(f"records:{out}")


def test_the_builtin_dataset_cannot_be_prepared(tmp_path):
    with pytest.raises(ValueError, match="must consist of image files"):
        prepare.prepare(datasets.open_dataset("builtin:shapes"), tmp_path)


def test_imagenets_tars(tmp_path):
    helpers.imagenet_tars(tmp_path / "tars", helpers.noise_jpeg)
    prepare.prepare(
        datasets.open_dataset(f"tar:{tmp_path / 'tars'}"), tmp_path / "set", prepare_options.PrepareOptions(size=SIZE)
    )
    prepared = datasets.open_dataset(f"records:{tmp_path / 'set'}")
    assert (prepared.train.count, prepared.validation.count) == (12, 3)
    assert prepared.class_names == tuple(sorted(helpers.IMAGENET_CLASSES))
    names = (tmp_path / "set" / "validation.txt").read_text().split()
    assert names == [f"ILSVRC2012_val_{i:08d}.JPEG" for i in (1, 3, 2)]


@pytest.mark.slow
def test_resuming_after_kills(photo_folder, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    folder = tmp_path / "many"
    files = sorted(photo_folder.rglob("*.jpg"))
    for number in range(900):
        file = folder / "abc"[number % 3] / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(files[number % len(files)])
    (folder / "a" / "broken.jpg").write_bytes(b"broken")
    flags = [f"--dataset=folder:{folder}", "--size=200", "--shard_size=9", "--workers=2"]
    done = commands.run("prepare", *flags, f"--out={whole}")
    assert done.returncode == 0, done.stderr
    moments, kills = random.Random(0), 0
    for _ in range(4):
        shards = len(list(killed.glob("train-*")))
        process = commands.Command("prepare", *flags, f"--out={killed}")
        while process.poll() is None and len(list(killed.glob("train-*"))) <= shards:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        with pytest.raises(ValueError, match="is not finished"):
            datasets.open_dataset(f"records:{killed}")
    assert kills == 4
    done = commands.run("prepare", *flags, f"--out={killed}")
    assert done.returncode == 0 and "broken.jpg: not a JPEG, PNG, GIF or BMP image" in done.stderr
    contents = [{file.name: file.read_bytes() for file in out.iterdir()} for out in (whole, killed)]
    assert contents[0] == contents[1]
    assert len(list(whole.glob("train-*"))) == 91


def test_crop_from_file_is_the_crop_of_the_resized_image():
    for height, width, exact in ((90, 80, True), (40, 61, True), (40, 61, False), (30, 33, False)):
        encoded = tf.constant(helpers.noise_jpeg(1, height, width))
        resize_crop, offset = images.ResizeCrop(40, 29), tf.constant([0.7, 0.2])
        resized = images.resize_shorter_side(decoding.decode(encoded), 40)
        top, left = (resized.shape[0] - 40) // 2 + 8, (resized.shape[1] - 40) // 2 + 2
        actual = file_crop.crop_from_file(encoded, resize_crop, offset, exact)
        np.testing.assert_array_equal(actual[:, :-1], resized[top : top + 29, left : left + 28])


@pytest.mark.parametrize("height, width", [(90, 80), (200, 300), (161, 170), (330, 400), (700, 650)])
def test_the_fast_crop_is_close(height, width):
    resize_crop = images.ResizeCrop(40, 27)
    encoded = tf.constant(helpers.noise_jpeg(2, height, width))
    for offset in ([0.0, 0.0], [0.5, 0.5], [0.99, 0.99], [0.3, 0.8]):
        exact, fast = (
            file_crop.crop_from_file(encoded, resize_crop, tf.constant(offset), exact).numpy().astype(float)
            for exact in (True, False)
        )
        assert np.abs(exact - fast).mean() < 6
        # The right crop: a crop at another offset differs more.
        shifted = images.crop_from_pixels(decoding.decode(encoded), resize_crop, tf.constant(offset) * 0.9)
        if min(offset) > 0:
            assert np.abs(exact - fast).mean() < np.abs(shifted.numpy() - fast).mean()
