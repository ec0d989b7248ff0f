"""`alexnet-tf features`: a layer's output for files and datasets, from runs and exports."""

import pathlib
import signal
import time

import commands
import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.folder import files_split
from alexnet_tf.errors import UserError
from alexnet_tf.inference.features import write_features
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import InputPreprocessing
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.runs.opening import open_predictor
from alexnet_tf.runs.run import load_run


@pytest.fixture(scope="module")
def folder(dark_and_light):
    return dark_and_light / "files"


@pytest.fixture(scope="module")
def run(run_and_export):
    return run_and_export / "run"


def _expected(run, files, layer):
    """A layer's output, straight from the Keras model."""
    found = load_run(run)
    pixels = tf.stack([found.preprocessing.pixels(pathlib.Path(file).read_bytes()) for file in files])
    network = keras.Model(found.model.inputs, found.model.get_layer(layer).output)
    return network(tf.cast(pixels, tf.float32) - found.preprocessing.mean, training=False).numpy()


def test_files_of_a_run(run, folder, tmp_path):
    good = [folder / "val" / "light" / "3.png", folder / "val" / "dark" / "0.png"]
    (tmp_path / "text.jpg").write_text("This is not an image.")
    bad = [tmp_path / "text.jpg", tmp_path / "gone.jpg", tmp_path]
    out = tmp_path / "found.npz"
    done = commands.run("features", f"--model={run}", "--layer=fc6", f"--out={out}", good[0], *bad, good[1])
    assert done.returncode == 1 and done.stdout == f"{out}: 2 images, fc6 float32 256\n"
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert sorted(errors) == sorted(
        [
            f"error: {bad[0]}: not a JPEG, PNG, GIF or BMP image",
            f"error: {bad[1]}: No such file or directory",
            f"error: {bad[2]}: Is a directory",
        ]
    )
    with np.load(out) as found:
        assert sorted(found) == ["features", "files"]
        assert found["files"].tolist() == [str(file) for file in good] and found["features"].dtype == np.float32
        helpers.assert_close("relu6", found["features"], _expected(run, good, "relu6"), 1e-5)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["found.npz", "text.jpg"]


def test_a_dataset_through_an_export(run_and_export, run, folder, tmp_path):
    dataset = open_dataset(f"folder:{folder}")
    splits, out = {"validation": dataset.validation}, tmp_path / "found.tfrecord"
    predictor = open_predictor(run_and_export / "out")
    assert write_features(predictor, "pool5", splits, out, dataset.class_names) == (14, (1, 1, 16), [])
    schema = {"file": (), "label": (), "class": (), "shape": (3,), "features": (16,)}
    kinds = {"file": tf.string, "class": tf.string, "features": tf.float32}
    parser = {name: tf.io.FixedLenFeature(shape, kinds.get(name, tf.int64)) for name, shape in schema.items()}
    rows = [tf.io.parse_single_example(row, parser) for row in tf.data.TFRecordDataset(str(out))]
    assert len(rows) == 14 and [int(row["label"]) for row in rows] == [0] * 7 + [1] * 7
    files = [row["file"].numpy().decode() for row in rows]
    assert all(row["class"].numpy().decode() in file for row, file in zip(rows, files, strict=True))
    features = np.stack([row["features"].numpy().reshape(row["shape"]) for row in rows])
    helpers.assert_close("pool5", features, _expected(run, files, "pool5"), 1e-5)
    with pytest.raises(UserError, match="layer must be one of fc7, pool5, .* got 'conv1'"):
        write_features(predictor, "conv1", splits, out)
    with pytest.raises(UserError, match="model must be the workdir of a run, an export with a SavedModel, a "):
        open_predictor(tmp_path)


def test_a_whole_dataset_with_labels(run, folder, tmp_path):
    dataset, out = open_dataset(f"folder:{folder}"), tmp_path / "found.npz"
    predictor, seen = open_predictor(run), []
    splits = {"train": dataset.train, "validation": dataset.validation}
    assert write_features(predictor, "fc7", splits, out, dataset.class_names, seen.append) == (56, (256,), [])
    assert seen[-1] == 56
    with np.load(out) as found:
        assert found["features"].shape == (56, 256) and found["class_names"].tolist() == ["dark", "light"]
        assert len(set(found["files"])) == 56
        expected = [pathlib.Path(file).parent.name for file in found["files"]]
        assert found["class_names"][found["labels"]].tolist() == expected


@pytest.mark.parametrize(
    "name, message",
    [
        ("x.csv", "out must end in .npz or .tfrecord"),
        ("no/x.npz", "out must be in a directory that can be written to"),
        ("taken.npz", "out must be a file, got"),
        ("/proc/x.tfrecord", "out must be in a directory that can be written to"),
    ],
)
def test_where_features_cannot_go(run, tmp_path, name, message):
    (tmp_path / "taken.npz").mkdir()
    done = commands.run("features", f"--model={run}", f"--out={tmp_path / name}", "a.jpg")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith(f"error: {message}")


def test_a_full_disk_is_one_line(run, folder, tmp_path):
    files = 20 * [folder / "val" / "light" / "3.png"]
    out = tmp_path / "found.tfrecord"
    done = commands.run("features", f"--model={run}", "--layer=pool1", f"--out={out}", *files, file_size=10_000)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def test_an_unknown_layer_is_one_line(run, tmp_path):
    done = commands.run("features", f"--model={run}", "--layer=fc9", f"--out={tmp_path}/x.npz", "a.jpg")
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: layer must be one of conv1, ") and line.endswith("got 'fc9'")
    assert not list(tmp_path.iterdir())


_SWALLOWED = """
import os, signal
from alexnet_tf.cli import common

def main(argv):
    number = int(os.environ["NUMBER"])
    signal.signal(number, signal.SIG_DFL)  # What ran this may ignore Ctrl-C, as nohup does.
    common.sigterm_as_ctrl_c()
    try:
        os.kill(os.getpid(), number)
    except KeyboardInterrupt:
        raise SystemError("returned a result with an exception set") from None

common.run(main)
"""


@pytest.mark.parametrize("number, exit_code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interruption_that_tensorflow_turns_into_another_exception(number, exit_code):
    done = commands.python(_SWALLOWED, environment={"NUMBER": str(int(number))})
    assert (done.returncode, done.stderr) == (exit_code, "interrupted\n")


def test_sigterm_leaves_no_half_file(run, folder, tmp_path):
    files = 500 * [folder / "val" / "light" / "3.png"]
    command = commands.Command("features", f"--model={run}", f"--out={tmp_path}/found.tfrecord", *files)
    while not list(tmp_path.iterdir()):
        assert command.poll() is None, command.communicate()
        time.sleep(0.01)
    command.send_signal(signal.SIGTERM)
    stderr = command.communicate(60)[1]
    assert command.returncode == 143 and stderr.splitlines()[-1] == "interrupted", stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["npz", "tfrecord"])
def test_nothing_readable_leaves_no_file(run, tmp_path, suffix):
    (tmp_path / "text.jpg").write_text("This is not an image.")
    splits = {"file": files_split([str(tmp_path / "text.jpg")])}
    with pytest.raises(UserError, match="none of the 1 images can be read"):
        write_features(open_predictor(run), "fc7", splits, tmp_path / f"x.{suffix}")
    assert [file.name for file in tmp_path.iterdir()] == ["text.jpg"]


@pytest.mark.parametrize("name, relu", [("paper", "relu1"), ("bn", "relu1"), ("original", "conv1")])
def test_a_layer_means_the_output_of_its_relu(name, relu):
    """Only if the ReLU follows directly: net 145 normalizes and pools before its first ReLU."""
    model = AlexNet(get_preset(name).widened(1 / 16), input_shape=(67, 67, 3), classes=3)
    preprocessing = InputPreprocessing(76, 67, np.zeros(3, np.float32))
    predictor = KerasPredictor(name, ("a", "b", "c"), preprocessing, model)
    outputs = predictor.outputs
    assert outputs["conv1"] is model.get_layer(relu).output and outputs["fc7"] is model.get_layer("relu7").output
    assert outputs["logits"] is model.get_layer("fc8").output and outputs["probabilities"] is model.output
    assert outputs["pool5"].shape[1:] == (1, 1, 16) and "fc8" not in outputs and "drop6" not in outputs
    with pytest.raises(UserError, match="layer must be one of conv1, .*pool5.*, logits, probabilities, got 'x'"):
        predictor.layers(np.zeros([1, 67, 67, 3], np.uint8), ["x"])
