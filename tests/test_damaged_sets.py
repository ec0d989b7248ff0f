"""Prepared datasets and tars that are damaged, hostile or on a full disk: one line that names the file."""

import json
import os
import random
import re
import resource
import shutil
import tarfile

import commands
import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.cli import common
from alexnet_tf.data import datasets, images, pipeline, prepare, prepare_options
from alexnet_tf.data.statistics import Statistics
from alexnet_tf.errors import UserError

OPTIONS = prepare_options.PrepareOptions(size=40, shard_size=24)


@pytest.fixture(scope="module")
def whole(photo_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "set"
    prepare.prepare(datasets.open_dataset(f"folder:{photo_folder}"), out, OPTIONS)
    return out


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "set")


def _message(out):
    """What the user is told about a set that is read; None if nothing."""
    try:
        dataset = datasets.open_dataset(f"records:{out}")
        for _ in pipeline.evaluation_batches(dataset.train, 2, 8, images.ResizeCrop(40, 40)):
            pass
        return dataset.train.names and None
    except (UserError, tf.errors.InvalidArgumentError) as error:
        return common.user_message(error)


@pytest.mark.parametrize("seed", range(12))
def test_truncated_records_and_flipped_bits_name_their_file(copy, seed):
    rng, fields = random.Random(seed), json.loads((copy / "dataset.json").read_text())
    if seed % 4 < 2:  # What no fingerprint is of, as behind the start of a large file, is noticed when it is read.
        del fields["fingerprints"]
        (copy / "dataset.json").write_text(json.dumps(fields))
    file = rng.choice(sorted(copy.glob("train-*")))
    before = file.read_bytes()
    data = bytearray(before)
    if seed % 2:
        del data[rng.randrange(len(data)) :]
    else:
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)
    message = _message(copy)
    # Flips in the padding of a file do no harm.
    assert message is None or (str(file) in message and "damaged" in message and "\n" not in message)
    assert message or not seed % 2


def _arrays(copy):
    with np.load(copy / "statistics.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    "ruin",
    [
        lambda arrays: b"", lambda arrays: "cut", lambda arrays: b"text", lambda arrays: {"count": arrays["count"]},
        lambda arrays: {**arrays, "mean_image": np.zeros((40, 40))}, lambda arrays: {**arrays, "count": "many"},
        lambda arrays: {**arrays, "eigenvectors": np.full((3, 3), np.nan)},
        lambda arrays: {**arrays, "eigenvalues": np.array([{}, 1, 2], object)},
    ],
)  # fmt: skip
def test_statistics_are_checked(copy, ruin):
    file = copy / "statistics.npz"
    ruined = ruin(_arrays(copy))
    if isinstance(ruined, dict):
        np.savez(file, **ruined)
    else:
        file.write_bytes(file.read_bytes()[:-99] if ruined == "cut" else ruined)
    with pytest.raises(UserError, match=r"statistics\.npz' (must|cannot be read)"):
        Statistics.load(file)
    assert str(file) in _message(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": None}, {"class_names": "ab"}, {"class_names": ["a", 2]}, {"class_names": ["a\n", "b"]},
        {"format": 7}, {"format": ["jpeg"]}, {"format": "png"}, {"size": "40"}, {"size": 10**9}, {"size": True},
        {"fingerprints": []}, {"fingerprints": {"../x": "0"}}, {"fingerprints": {"train.npy": 0}},
        {"splits": []}, {"splits": {"train": 3}}, {"splits": {"train": {"shards": [{"file": "x"}]}}},
        {"splits": {s: {"shards": [{"file": "../x", "count": 1}]} for s in ("train", "validation")}},
        {"splits": {s: {"shards": [{"file": "x", "count": -1}]} for s in ("train", "validation")}},
    ],
)  # fmt: skip
def test_the_description_is_checked(photo_folder, copy, change):
    file = copy / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    message = _message(copy)
    assert message and str(copy) in message and "\n" not in message
    with pytest.raises(UserError, match=re.escape(str(copy))):
        prepare.prepare(datasets.open_dataset(f"folder:{photo_folder}"), copy, OPTIONS)


@pytest.mark.parametrize("data", [b"", b"text", np.zeros(7, np.int32), np.full(54, 9, np.int32), np.zeros(54), {}])
def test_labels_are_checked(copy, data):
    file = copy / "train.npy"
    if isinstance(data, bytes):
        file.write_bytes(data)
    else:
        np.save(file, data, allow_pickle=True)
    assert str(file) in _message(copy)


@pytest.mark.parametrize("data", [b"one\n", b"\xff\xfe\n" * 54])
def test_names_are_checked(copy, data):
    (copy / "train.txt").write_bytes(data)
    assert "train.txt" in _message(copy)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jpeg", "raw"])
def test_prepare_on_a_full_disk_is_one_line_and_resumes(photo_folder, tmp_path, form):
    out = tmp_path / "set"
    flags = [f"--dataset=folder:{photo_folder}", f"--out={out}", "--size=76", "--shard_size=30", f"--format={form}"]
    done = commands.run("prepare", *flags, file_size=40_000)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ") and "cannot be written" in last and not list(out.glob("train-*"))
    done = commands.run("prepare", *flags)
    assert done.returncode == 0, done.stderr
    assert datasets.open_dataset(f"records:{out}").train.count == 54


def test_more_shards_than_open_files(photo_folder, tmp_path):
    options = prepare_options.PrepareOptions(size=40, shard_size=1)
    prepare.prepare(datasets.open_dataset(f"folder:{photo_folder}"), tmp_path / "set", options)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        few = len(os.listdir("/proc/self/fd")) + 20
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, before[1]))
        assert _message(tmp_path / "set") is None
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > few
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_hard_limit_of_open_files_is_named(whole, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (64, 64))
    assert "limit of open files must be at least 304 for a dataset of 4 shards, got 64" in _message(whole)


@pytest.mark.parametrize("inner", [False, True])
def test_a_tar_that_claims_a_terabyte(tmp_path, inner):
    def claiming(name):
        info = tarfile.TarInfo(name)
        info.size = 10**12
        return info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)

    good = helpers.tar_of({f"{c}/{i}.jpg": helpers.noise_jpeg(i) for c in "ab" for i in range(3)})
    end = -(-len(good.rstrip(b"\0")) // 512) * 512
    data = good[:end] + claiming("b/x.jpg")
    if inner:
        data = helpers.tar_of({"a.tar": good, "b.tar": claiming("b/x.jpg")})
    (tmp_path / "photos.tar").write_bytes(data)
    with pytest.raises(UserError, match="must be a complete tar file"):
        datasets.open_dataset(f"tar:{tmp_path / 'photos.tar'}")
