"""`open_predictor`: the same labels from a run and from every format that is exported from it."""

import shutil

import commands
import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.evaluator import evaluate
from alexnet_tf.runs.opening import open_predictor
from alexnet_tf.runs.run import load_run

PATHS = ("out", "out/saved_model", "out/model.tflite", "out/model.onnx")


@pytest.mark.parametrize("path", PATHS)
def test_every_format_gives_the_labels_of_the_run(run_and_export, path):
    run, exported = open_predictor(run_and_export / "run"), open_predictor(run_and_export / path)
    assert exported.class_names == run.class_names == ("dark", "light")
    assert exported.preprocessing == run.preprocessing and exported.preprocessing.mean is None
    photos = [helpers.noise_jpeg(seed, 90, 120) for seed in range(4)]
    expected = np.stack([run.predict(photo) for photo in photos])
    np.testing.assert_allclose([exported.predict(photo) for photo in photos], expected, atol=1e-5)
    # A batch, eagerly and in a graph.
    images = tf.stack([run.preprocessing.pixels(photo) for photo in photos])
    np.testing.assert_allclose(exported.probabilities(images), expected, atol=1e-5)
    np.testing.assert_allclose(tf.function(exported.probabilities)(images), expected, atol=1e-5)
    with pytest.raises(UserError, match="not a JPEG, PNG, GIF or BMP image"):
        exported.predict(b"text")


@pytest.mark.parametrize("path", PATHS)
def test_every_format_can_be_evaluated(run_and_export, path):
    run = load_run(run_and_export / "run")
    expected = evaluate(run.predictor(), run.dataset)
    metrics = evaluate(open_predictor(run_and_export / path), run.dataset)
    assert metrics.loss == pytest.approx(expected.loss, rel=1e-5)
    assert (metrics.top1_error, metrics.examples) == (expected.top1_error, 14)


def test_only_networks_in_tensorflow_give_layers(run_and_export):
    assert open_predictor(run_and_export / "out").layer_names == ("fc7", "pool5", "logits", "probabilities")
    predictor = open_predictor(run_and_export / "out" / "model.tflite")
    assert predictor.layer_names == ()
    with pytest.raises(UserError, match="model must be a run or an export with a SavedModel to give inner layers"):
        predictor.layers(np.zeros([1, 67, 67, 3], np.uint8), ["fc7"])


def test_a_dataset_with_other_classes_is_refused(run_and_export, dark_and_light, tmp_path):
    shutil.copytree(dark_and_light / "files", tmp_path / "set")
    for part in ("train", "val"):
        (tmp_path / "set" / part / "dark").rename(tmp_path / "set" / part / "dim")
    done = commands.run("evaluate", f"--model={run_and_export / 'run'}", f"--dataset=folder:{tmp_path / 'set'}")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("error: dataset must have the 2 classes of ")


def test_what_is_not_a_network_is_refused(tmp_path):
    (tmp_path / "model.tflite").write_text("text")
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(UserError, match="model must be the workdir of a run, an export with a SavedModel, a .tf"):
            open_predictor(path)
    with pytest.raises(UserError, match="must hold an export: it has no manifest.json"):
        open_predictor(tmp_path / "model.tflite")


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
def test_a_damaged_file_is_refused(run_and_export, tmp_path, name):
    shutil.copy(run_and_export / "out" / "manifest.json", tmp_path)
    (tmp_path / name).write_bytes((run_and_export / "out" / name).read_bytes()[:100])
    with pytest.raises(UserError, match="differs from the file that the manifest beside it lists: it is damaged"):
        open_predictor(tmp_path / name)


def test_predict_labels_the_files_of_a_directory_and_nothing_else_is_on_the_screen(run_and_export, dark_and_light):
    folder = dark_and_light / "files" / "val"
    done = commands.run("predict", f"--model={run_and_export / 'out' / 'model.tflite'}", "--top=1", folder)
    assert done.returncode == 0 and done.stderr == ""
    files = [line.split(": ")[0] for line in done.stdout.splitlines()]
    assert files == sorted(str(file) for file in folder.rglob("*.png")) and len(files) == 14


def test_predict_names_what_it_cannot_read(run_and_export, dark_and_light, tmp_path):
    (tmp_path / "text.jpg").write_text("This is not an image.")
    (tmp_path / "empty").mkdir()
    photo = dark_and_light / "files" / "val" / "dark" / "0.png"
    done = commands.run(
        "predict", f"--model={run_and_export / 'run'}", tmp_path / "text.jpg", photo, tmp_path / "gone.jpg"
    )
    assert done.returncode == 1 and done.stdout.startswith(f"{photo}: ")
    assert done.stderr.splitlines() == [
        f"error: {tmp_path / 'text.jpg'}: not a JPEG, PNG, GIF or BMP image",
        f"error: {tmp_path / 'gone.jpg'}: No such file or directory",
    ]
    done = commands.run("predict", f"--model={run_and_export / 'run'}", tmp_path / "empty")
    assert done.returncode == 1 and done.stderr.startswith("error: directory must hold image files (.jpg, ")
