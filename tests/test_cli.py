"""The commands as a user runs them."""

import json
import os
import re
import subprocess
import sys

import pytest
import tensorflow as tf
import torch
from commands import python, run
from helpers import channels_first, enliven, state_dict

from alexnet_tf.cli import common
from alexnet_tf.cli.main import COMMANDS
from alexnet_tf.data import images, indexed_split, pipeline, shapes
from alexnet_tf.data.augmentation import Augmentation
from alexnet_tf.models.builder import AlexNet


def test_train_evaluate_export_predict(tmp_path):
    workdir, out = tmp_path / "run", tmp_path / "out"
    narrow = ["--width=0.0625", "--image_size=67", "--steps=3"]
    done = run("train", "--recipe=demo", f"--workdir={workdir}", *narrow)
    assert done.returncode == 0, done.stderr
    evaluated = json.loads(run("evaluate", f"--model={workdir}", "--json").stdout)
    assert evaluated["examples"] == 500 and 0 <= evaluated["top1_error"] <= 1
    done = run("export", f"--model={workdir}", f"--out={out}", "--formats=saved_model,tflite", "--evaluate=70")
    assert "Errors on 70 validation images" in done.stdout, done.stderr
    image, bad = tmp_path / "image.png", tmp_path / "bad.jpg"
    image.write_bytes(tf.io.encode_png(shapes.draw(0, "validation", 0)[0]).numpy())
    bad.write_text("text")
    answers = []
    for model in (workdir, out, out / "model.tflite"):
        done = run("predict", f"--model={model}", "--json", str(bad), str(image))
        assert done.returncode == 1 and f"{bad}: not a JPEG" in done.stderr
        answers.append([row["label"] for row in json.loads(done.stdout)[0]["labels"]])
    assert answers[0] == answers[1] == answers[2] and len(answers[0]) == 5


def test_help_in_all_its_spellings():
    texts = [run(*arguments) for arguments in (("train", "--help"), ("train", "-h"), ("help", "train"))]
    assert {done.returncode for done in texts} == {0} and len({done.stdout for done in texts}) == 1
    text = texts[0].stdout
    headings = re.findall(r"^(\w+):$", text, re.MULTILINE)
    assert headings == ["data", "network", "optimization", "augmentation", "run"]
    assert "--[no]color_noise" in text and re.search(r"--learning_rate=X .*?\(default: 0\.01\)", text, re.DOTALL)
    assert all(name in run("-h").stdout for name in COMMANDS)


FAILING = "from alexnet_tf.cli import common\ndef main(argv):\n    {}\ncommon.run(main)"


@pytest.mark.parametrize(
    "statement, code, message",
    [
        ("from alexnet_tf.errors import UserError; raise UserError('top must be at least 1,\\n got 0')", 1, "1, got 0"),
        ("open('/no/such/file')", 1, "No such file or directory: '/no/such/file'"),
        (
            "raise ValueError('shapes differ')",
            70,
            "ValueError: shapes differ\nThis is a bug in alexnet-tf 0.1.0. Please",
        ),
        ("{}['name']", 70, "KeyError: 'name'\nThis is a bug"),
    ],
)
def test_mistakes_and_bugs_are_told_apart(statement, code, message):
    done = python(FAILING.format(statement))
    assert done.returncode == code and message in done.stderr
    assert ("Traceback" in done.stderr) == (code == 70)
    assert done.stderr.startswith("error: ") == (code == 1)


def test_missing_flags_and_misspelled_ones():
    _assert_one_line(run("train"), 2, "--recipe and --workdir must be given; see alexnet-tf help train")
    _assert_one_line(run(*TRAIN, "--workdir=x", "--epoch=3"), 2, "flag 'epoch'. Did you mean --epochs?; see")


def test_presets_table():
    found = json.loads(run("presets", "--json").stdout)
    assert found["paper"]["parameters"] == 60_965_224 and found["lenet5"]["parameters"] == 61_706
    convolutions = sum(s["multiply_adds"] for s in found["paper"]["stages"] if s["name"].startswith("conv"))
    assert convolutions == pytest.approx(665.8e6, rel=1e-4)
    assert found["paper"]["multiply_adds"] - convolutions == pytest.approx(58.6e6, rel=1e-3)
    # As torchvision publishes them with its weights.
    assert found["torchvision"]["parameters"] == 61_100_840
    assert found["torchvision"]["multiply_adds"] == pytest.approx(0.714e9, rel=1e-3)


def test_weights(tmp_path):
    source = enliven(AlexNet("torchvision", classes=4))
    torch.save(state_dict(channels_first(source)), tmp_path / "net.pth")
    arguments = ["weights", "--preset=torchvision", "--classes=4", f"--out={tmp_path}/net.weights.h5", "--check"]
    done = run(*arguments, f"--from={tmp_path}/net.pth")
    assert done.returncode == 0, done.stderr
    assert "57,020,228 parameters" in done.stdout and "the outputs are equal" in done.stdout
    _assert_one_line(run(*arguments, f"--from={tmp_path}/gone.pth"), 1, "weights must be a readable file")


TRAIN = [
    "train", "--recipe=demo", "--width=0.0625", "--image_size=67", "--steps=1", "--batch_size=2",
    "--layer_summaries_every=0",  # What TensorBoard shows of layers takes longer than one step.
]  # fmt: skip


def _image_folder(root, **images):
    """Writes that many small images into each named sub-folder."""
    for name, count in images.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = tf.random.uniform([80, 90, 3], 0, 256, tf.int32, seed=number)
            (root / name / f"{number}.jpg").write_bytes(tf.io.encode_jpeg(tf.cast(pixels, tf.uint8)).numpy())


def _assert_one_line(done, code, message):
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and message in line and "\x1b" not in line


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["fly"], 2, "command must be one of"),
        (["predict", "photo.jpg"], 2, "--model must be given; see alexnet-tf help predict"),
        ([*TRAIN, "--workdir=x", "--spped=1"], 2, "spped"),
        (["train", "--recipe=resnet", "--workdir=x"], 1, "recipe must be one of demo, paper"),
        ([*TRAIN, "--workdir=x", "--preset=vgg"], 1, "preset must be one of"),
        ([*TRAIN, "--workdir=x", "--dataset=imagenet"], 1, "dataset must be builtin:shapes, folder:PATH, tar:"),
        ([*TRAIN, "--workdir=x", "--dataset=tfds:no_such_set"], 1, "no_such_set"),
        ([*TRAIN, "--workdir=x", "--dataset=folder:missing"], 1, "existing folder"),
        ([*TRAIN, "--workdir=x", "--dropout=1"], 1, "dropout must be at least 0 and below 1"),
        ([*TRAIN, "--workdir=x", "--freeze_through=conv1"], 1, "freeze_through must be 'none' without weights"),
        ([*TRAIN, "--workdir=x", "--image_size=20"], 1, "image_size must be at least 67 for preset 'paper', got 20"),
        (["train", "--recipe=finetune", "--workdir=x"], 1, "dataset must be builtin:shapes, folder:PATH"),
        (["train", "--recipe=finetune", "--workdir=x", "--weights=gone"], 1, "weights must be 'imagenet', 'cifar"),
        ([*TRAIN, "--workdir=/proc/x"], 1, "workdir must be writable"),
        ([*TRAIN, "--workdir=x", "--profile=5"], 1, "profile must be START,COUNT"),
        ([*TRAIN, "--workdir=x", "--profile=0,2"], 1, "profile must lie within the 1 steps of the run"),
        (["prepare", "--dataset=folder:x", "--out=y", "--quality=0"], 1, "quality must be from 1 to 100"),
        (["prepare", "--dataset=builtin:shapes", "--out=y"], 1, "dataset must consist of image files"),
        ([*TRAIN, "--workdir=x", "--dataset=records:missing"], 1, "the folder of a prepared dataset"),
        (["evaluate", "--model=missing"], 1, "must be the workdir of a run, an export"),
        (["predict", "--model=missing", "photo.jpg"], 1, "model must be"),
        (["verify", "missing"], 1, "must hold an export"),
    ],
)
def test_mistakes_are_one_line(arguments, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    _assert_one_line(done, code, message)
    assert not done.stdout and not list(tmp_path.iterdir())


def test_folders_that_are_no_dataset(tmp_path):
    (tmp_path / "empty").mkdir()
    _assert_one_line(run(*TRAIN, f"--workdir={tmp_path}/x", f"--dataset=folder:{tmp_path}/empty"), 1, "2 classes")
    _image_folder(tmp_path / "one", cats=3)
    _assert_one_line(run(*TRAIN, f"--workdir={tmp_path}/x", f"--dataset=folder:{tmp_path}/one"), 1, "2 classes")
    _image_folder(tmp_path / "bare", cats=3, dogs=0)
    _assert_one_line(run(*TRAIN, f"--workdir={tmp_path}/x", f"--dataset=folder:{tmp_path}/bare"), 1, "no image")
    assert not (tmp_path / "x").exists()


def test_a_file_that_is_no_image_is_skipped_and_counted_in_training(tmp_path):
    _image_folder(tmp_path / "photos", cats=9, dogs=9)
    (tmp_path / "photos" / "cats" / "broken.jpg").write_text("text")
    arguments = [*TRAIN, f"--workdir={tmp_path}/run", f"--dataset=folder:{tmp_path}/photos", "--batch_size=19"]
    # As a user starts it: a new process, and nothing that quiets TensorFlow but the package itself.
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-m", "alexnet_tf", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert "1 file skipped" in done.stderr and "broken.jpg" in done.stderr
    assert not re.search("^[EWI][0-9]{4} ", done.stderr, re.MULTILINE), done.stderr
    # The same workdir with another network.
    _assert_one_line(
        run(*arguments, "--preset=one_tower"), 1, "differs in preset: saved 'paper', requested 'one_tower'"
    )


def test_a_label_outside_the_classes_is_one_line():
    def load(example, crop):
        return {"image": tf.zeros([67, 67, 3], tf.uint8), "label": tf.constant(7, tf.int64), "weight": 1.0}

    split, none = indexed_split.IndexedSplit(4, load), Augmentation(False, False, False)
    batches = pipeline.training_batches(split, 2, 1, images.ResizeCrop(76, 67), none, 0, range(1))
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        next(iter(batches))
    assert common.one_line(raised.value) == "labels must be in [0, 2), the classes of the network. Received: 7"


def test_prepare_then_train_and_evaluate(tmp_path):
    _image_folder(tmp_path / "photos", cats=9, dogs=9)
    done = run("prepare", f"--dataset=folder:{tmp_path}/photos", f"--out={tmp_path}/small", "--size=76")
    assert done.returncode == 0, done.stderr
    assert "train: 16 images, 0 skipped, 1 shard\n" in done.stdout
    records = f"--dataset=records:{tmp_path}/small"
    assert run(*TRAIN, f"--workdir={tmp_path}/run", records).returncode == 0
    assert json.loads(run("evaluate", f"--model={tmp_path}/run", "--json").stdout)["examples"] == 2
