"""Which images of a dataset `evaluate` takes, and that it says so; names of classes; what is no file."""

import itertools
import json
import os
import shutil
import socket

import commands
import helpers
import numpy as np
import pytest

from alexnet_tf.cli import common
from alexnet_tf.data import datasets, parts, pipeline, prepare, shapes
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.prepare_options import PrepareOptions
from alexnet_tf.data.sampling import Shard
from alexnet_tf.errors import UserError
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.training.loop import train_and_evaluate


def _photos(root, counts):
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            (root / folder / f"{number}.jpg").write_bytes(helpers.noise_jpeg(number))
    return root


PLAIN = {"a": 10, "b": 20}
VAL = {"val/a": 3, "val/b": 4}
BOTH = {"train/a": 10, "train/b": 20, **VAL}


@pytest.mark.parametrize(
    "counts, part, count, taken",
    [
        (PLAIN, None, 30, "all of {root}"), (PLAIN, "all", 30, "all of {root}"),
        (PLAIN, "validation", 3, "validation part of folder:{root}, a tenth"), (PLAIN, "train", 27, "train part of"),
        (VAL, None, 7, "all of {root}/val"), (VAL, "validation", 7, "all of {root}/val"), (VAL, "all", 7, "all of"),
        ({"test/a": 1, "test/b": 1}, None, 2, "all of {root}/test"),
        (BOTH, None, 7, "all of {root}/val"), (BOTH, "all", 37, "all of folder:{root}"), (BOTH, "train", 30, "train"),
        ({"train/a": 2, "train/b": 2}, None, 4, "all of {root}/train"),
        ({"test": 5, "other": 5}, None, 10, "all of {root}"),
    ],
)  # fmt: skip
def test_what_is_taken_of_a_folder(tmp_path, counts, part, count, taken):
    root = _photos(tmp_path / "photos", counts)
    dataset, said = parts.open_part(f"folder:{root}", part, 0)
    assert dataset.validation.count == count and taken.format(root=root) in said


def test_a_lone_validation_folder_cannot_be_trained_on(tmp_path):
    root = _photos(tmp_path, VAL)
    for open_it in (datasets.open_dataset, lambda name: parts.open_part(name, "train", 0)):
        with pytest.raises(UserError, match="must have a folder train beside val"):
            open_it(f"folder:{root}")


def test_a_tar_is_evaluated_whole_and_other_sets_by_part(tmp_path):
    file = tmp_path / "photos.tar"
    file.write_bytes(helpers.tar_of({f"{c}/{i}.jpg": helpers.noise_jpeg(i) for c in "ab" for i in range(10)}))
    assert parts.open_part(f"tar:{file}", None, 0)[0].validation.count == 20
    dataset = datasets.open_dataset("builtin:shapes")
    assert parts.open_part("builtin:shapes", None, 0)[0].validation.count == dataset.validation.count
    assert parts.open_part("builtin:shapes", "all", 0)[0].validation.count == 50_500


@pytest.mark.parametrize("kind", ["records", "folder", "builtin"])
def test_all_parts_of_a_dataset_are_read_one_after_the_other(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(shapes, "COUNTS", {"train": 13, "validation": 4})
    folder = _photos(tmp_path / "photos", {"train/a": 5, "train/b": 8, "val/a": 1, "val/b": 3})
    prepare.prepare(datasets.open_dataset(f"folder:{folder}"), tmp_path / "set", PrepareOptions(size=40, shard_size=6))
    name = {"records": f"records:{tmp_path / 'set'}", "folder": f"folder:{folder}", "builtin": "builtin:shapes"}[kind]
    dataset = datasets.open_dataset(name)
    joined, said = parts.open_part(name, "all", 0)
    assert said == f"all of {name}" and joined.validation.count == 17
    separate = [pipeline.read_split(split, 10, 4, ResizeCrop(40, 36)) for split in (dataset.train, dataset.validation)]
    expected = [np.concatenate(column) for column in zip(*itertools.chain(*separate), strict=True)]
    batches = pipeline.read_split(joined.validation, 10, 4, ResizeCrop(40, 36))
    images, labels, indices = (np.concatenate(column) for column in zip(*batches, strict=True))
    assert (images == expected[0]).all() and (labels == expected[1]).all() and list(indices) == list(range(17))
    if kind != "builtin":
        assert list(joined.validation.labels) == list(labels) and len(joined.validation.names) == 17
    if kind == "records":  # Two replicas share each batch.
        batches = pipeline.evaluation_batches(joined.validation, 10, 4, ResizeCrop(40, 36), shard=Shard(2, 1, 1))
        assert [label for batch in batches for label in batch["label"].numpy()][:4] == [*labels[2:4], *labels[6:8]]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = helpers.dark_and_light(tmp_path_factory.mktemp("data") / "photos")
    workdir = tmp_path_factory.mktemp("run") / "run"
    recipe = get_recipe("demo", dataset=f"folder:{folder}", width=1 / 16, image_size=67, batch_size=8, steps=2)
    train_and_evaluate(recipe, workdir, helpers.UNWATCHED)
    return workdir, folder


def test_the_line_says_what_was_evaluated(run, tmp_path):
    workdir, folder = run
    done = commands.run("evaluate", f"--model={workdir}", f"--dataset=folder:{folder}/train")
    assert done.stdout.endswith(f", 42 images, 1 view: all of {folder}/train\n"), done.stderr
    # The run was trained on this folder, whichever way it is written.
    done = commands.run("evaluate", f"--model={workdir}", f"--dataset=folder:{folder}/../photos", "--json")
    printed = json.loads(done.stdout)
    assert (printed["data"], printed["examples"]) == (f"validation part of folder:{folder}", 14)
    done = commands.run("evaluate", f"--model={workdir}", "--part=train")
    assert done.stdout.endswith(f", 42 images, 1 view: train part of folder:{folder}\n"), done.stderr


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x1b[31mred", "a\x85b", "a\u2028b", "a\x7f", os.fsdecode(b"\xe9")])
def test_class_names_with_control_characters_are_refused_by_name(name, tmp_path):
    root = _photos(tmp_path, {"a": 2, name: 2})
    with pytest.raises(UserError) as error:
        datasets.open_dataset(f"folder:{root}")
    assert repr(name) in str(error.value) and "must be printable" in str(error.value)
    assert common.printable(name) != name and common.printable(name).isascii()


def test_what_is_no_regular_file_is_skipped_and_named(tmp_path):
    root = _photos(tmp_path / "photos", {"a": 10, "b": 10})
    os.mkfifo(root / "a" / "pipe.jpg")
    (root / "a" / "to_pipe.jpg").symlink_to(root / "a" / "pipe.jpg")
    (root / "a" / "device.jpg").symlink_to("/dev/zero")
    (root / "a" / "nothing.jpg").symlink_to("gone")
    (root / "a" / "folder.jpg").mkdir()
    (root / "a" / "good.jpg").symlink_to(root / "b" / "0.jpg")
    (root / "a" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(helpers.noise_jpeg(0))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "b" / "socket.jpg"))
        dataset = datasets.open_dataset(f"folder:{root}")
    assert dataset.train.count + dataset.validation.count == 21
    reasons = {name.rsplit("/", 1)[1]: reason for name, reason in dataset.ignored}
    assert reasons == {
        "pipe.jpg": "not a regular file", "to_pipe.jpg": "not a regular file", "device.jpg": "not a regular file",
        "socket.jpg": "not a regular file", "nothing.jpg": "a link to nothing",
        r"caf\xe9.jpg": "its name is not UTF-8",
    }  # fmt: skip
    done = commands.run("prepare", f"--dataset=folder:{root}", f"--out={tmp_path / 'set'}", "--size=76", timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\nskipped ") == 6 and "pipe.jpg: not a regular file" in done.stderr
    rows = [line.split("\t") for line in (tmp_path / "set" / "skipped.tsv").read_text().splitlines()]
    assert {(split, name) for split, name, _ in rows} == {("-", name) for name, _ in dataset.ignored}


def test_escape_sequences_of_labels_and_names_do_not_reach_the_terminal(exported, photos, tmp_path):
    model = tmp_path / "model.tflite"
    shutil.copy(exported[0] / "model.tflite", model)
    manifest = json.loads((exported[0] / "manifest.json").read_text())
    labels = {name: f"\x1b]0;{name}\x07\x1b[31m{name}" for name in manifest["classes"]}
    manifest["classes"] = list(labels.values())
    manifest["test"]["labels"] = [labels[name] for name in manifest["test"]["labels"]]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    name = tmp_path / "\x1b[2Jphoto.jpg"
    shutil.copy(photos[0], name)
    done = commands.run("predict", f"--model={model}", name)
    assert done.returncode == 1 and r"must be printable, got '\x1b]0;a" in done.stderr, done.stderr
    again = commands.run("predict", f"--model={exported[0] / 'model.tflite'}", name, tmp_path / "\x1b[2Jgone.jpg")
    assert r"\x1b[2Jphoto.jpg: " in again.stdout and r"\x1b[2Jgone.jpg: No such" in again.stderr
    for text in (done.stdout, done.stderr, again.stdout, again.stderr):
        assert "\x1b" not in text and "\x07" not in text
