"""Trained networks without a run: the one in the package, published weights, and weight files."""

import json
import pathlib
import shutil
import struct
import subprocess
import sys
import types
import zipfile

import commands
import helpers
import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

import alexnet_tf
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.statistics import Statistics
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.evaluator import check_classes
from alexnet_tf.evaluation.networks import evaluate_paths
from alexnet_tf.exporting.export import export
from alexnet_tf.exporting.formats import FORMATS
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.pretrained.imagenet import decode_predictions, imagenet_classes, preprocess_input
from alexnet_tf.models.pretrained.packaged import packaged_file
from alexnet_tf.models.pretrained.safetensors_file import read_details
from alexnet_tf.models.pretrained.writers import save_weights
from alexnet_tf.runs import run_statistics, weights_network
from alexnet_tf.runs.opening import open_model, open_predictor
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.runs.source import network_fields, run_details

RUN = pathlib.Path(__file__).parent / "goldens" / "run"
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# What the network in the package makes of some generated shapes, by their number; new weights have other answers.
KNOWN = {3: "cat", 7: "deer", 8: "airplane", 11: "bird", 13: "airplane"}


@pytest.fixture(scope="module")
def cifar10():
    return open_predictor("cifar10")


@pytest.fixture(scope="module")
def run():
    return load_run(RUN)


@pytest.fixture
def file(run, tmp_path):
    """A `.safetensors` file that was written from a run."""
    path = tmp_path / "net.safetensors"
    save_weights(run.model, run.recipe.network, path, run_details(run))
    return path


def test_the_network_in_the_package_needs_nothing_else(cifar10):
    assert cifar10.class_names == CIFAR10 and cifar10.preprocessing.mean.shape == (32, 32, 3)
    images = helpers.figures(max(KNOWN) + 1, 32)[list(KNOWN)]
    probabilities = cifar10.probabilities(images).numpy()
    assert [CIFAR10[i] for i in probabilities.argmax(-1)] == list(KNOWN.values())
    model = AlexNet("four_layers", weights="cifar10")
    inputs = preprocess_input(images, "four_layers")
    np.testing.assert_allclose(model.predict(inputs, verbose=0), probabilities, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(preprocess_input(tf.constant(images), "four_layers").numpy(), inputs)
    best = decode_predictions(probabilities, top=2, preset="four_layers")
    assert [row[0][:2] for row in best] == [(str(CIFAR10.index(name)), name) for name in KNOWN.values()]
    with pytest.raises(UserError, match=r"images must be 32 by 32 pixels, like the mean image, got \(1, 31, 32, 3\)"):
        preprocess_input(images[:1, 1:], "four_layers")
    with pytest.raises(UserError, match="weights='cifar10' needs the preset 'four_layers', got 'caffe'"):
        AlexNet("caffe", weights="cifar10")


def test_the_file_in_the_package_is_small_and_as_its_card_says():
    file = packaged_file("cifar10")
    card = file.with_suffix(".md").read_text()
    assert file.stat().st_size < 200_000
    assert f"{AlexNet('four_layers').count_params():,} parameters" in card
    assert all(name in card for name in CIFAR10)


@pytest.mark.slow
def test_every_format_gives_the_labels_of_the_network_in_the_package(cifar10, tmp_path):
    images = helpers.figures(16, 32)
    export(cifar10, tmp_path / "out", tuple(FORMATS), images=images)
    expected = cifar10.probabilities(images).numpy()
    clear = np.sort(expected)[:, -1] - np.sort(expected)[:, -2] > 0.1
    assert clear.sum() >= 8
    for form in FORMATS.values():
        found = form.open(tmp_path / "out" / form.file, CIFAR10, cifar10.preprocessing)
        np.testing.assert_array_equal(found.probabilities(images).numpy().argmax(-1)[clear], expected.argmax(-1)[clear])


def test_a_file_that_was_written_from_a_run_is_opened_like_the_run(run, file):
    opened = open_model(file)
    assert opened.run is None and opened.predictor.class_names == run.class_names
    assert opened.predictor.preprocessing == run.preprocessing
    np.testing.assert_array_equal(opened.predictor.preprocessing.mean, run.mean)
    images = helpers.figures(4, 32)
    np.testing.assert_array_equal(opened.predictor.probabilities(images), run.predictor().probabilities(images))
    # Also by a run's own file, which has neither names nor mean.
    assert open_model(RUN / "model.weights.h5").run.class_names == run.class_names


def test_a_run_can_be_fine_tuned_from_such_a_file(run, file, monkeypatch):
    recipe = get_recipe("finetune", dataset="builtin:shapes", weights=str(file))
    assert network_fields(recipe) == network_fields(run.recipe)
    with pytest.raises(UserError, match="width must be 0.125, as in the run of weights="):
        get_recipe("finetune", weights=str(file), width=0.5)
    own = Statistics(np.zeros((32, 32, 3), np.float32), np.ones(3, np.float32), np.eye(3, dtype=np.float32), 7)
    monkeypatch.setattr(run_statistics, "_compute", lambda recipe, dataset: own)
    found = run_statistics.load_or_compute_statistics(recipe, file.parent, open_dataset("builtin:shapes"), writes=False)
    np.testing.assert_array_equal(found.mean_image, run.statistics.mean_image)
    assert found.count == 7
    assert get_recipe("finetune", weights="cifar10").preset == "four_layers"


def test_a_file_without_details_needs_its_preset_and_may_have_labels(tmp_path, monkeypatch):
    model = helpers.enliven(AlexNet("four_layers", classes=3))
    path, labels = tmp_path / "net.weights.h5", tmp_path / "labels.txt"
    model.save_weights(path)
    with pytest.raises(UserError, match="preset must be given for .*net.weights.h5', which does not say its network"):
        open_predictor(path)
    predictor = open_predictor(path, preset="four_layers")
    assert predictor.class_names == ("class 0", "class 1", "class 2")
    images = helpers.figures(2, 32)
    expected = model(preprocess_input(images, "four_layers"))
    np.testing.assert_allclose(predictor.probabilities(images), expected, rtol=1e-5)
    labels.write_text("ape\nbee\ncow\n")
    assert open_predictor(path, preset="four_layers", labels=labels).class_names == ("ape", "bee", "cow")
    labels.write_text("ape\nbee\n")
    with pytest.raises(UserError, match="labels must be one for each of the 3 outputs, got 2 in "):
        open_predictor(path, preset="four_layers", labels=labels)
    monkeypatch.setattr(weights_network, "packaged_details", lambda preset: None)
    with pytest.raises(UserError, match="weights must come with the mean image that preset 'four_layers' subtracts"):
        open_predictor(path, preset="four_layers")
    arrays = helpers.channels_first(model)
    del arrays["conv3"]
    (tmp_path / "net.caffemodel").write_bytes(helpers.caffemodel(arrays, v1=False))
    with pytest.raises(UserError, match="conv3 needs .* not in the file"):
        open_predictor(tmp_path / "net.caffemodel", preset="four_layers")


def test_published_weights_are_of_caffe_unless_another_preset_is_named(monkeypatch):
    monkeypatch.setattr(weights_network, "find_weights", lambda *arguments: arguments)
    assert weights_network._find("imagenet", None) == (("imagenet", "caffe"), "caffe")
    assert weights_network._find("imagenet:torchvision", None) == (("imagenet", "torchvision"), "torchvision")
    assert weights_network._find("bvlc_alexnet.caffemodel", None)[1] == "caffe"
    with pytest.raises(UserError, match="preset must be 'caffe' with 'imagenet:caffe', got 'bn'"):
        weights_network._find("imagenet:caffe", "bn")


def test_published_weights_can_be_evaluated_on_a_dataset_with_wordnet_ids():
    ids, names = zip(*imagenet_classes(), strict=True)
    network, ours = types.SimpleNamespace(class_names=names, name="imagenet"), types.SimpleNamespace
    check_classes(network, ours(class_names=ids, name="folder:imagenet"))
    with pytest.raises(UserError, match="dataset must have the 1000 classes of 'imagenet' in the same order"):
        check_classes(network, ours(class_names=ids[::-1], name="folder:imagenet"))


def test_flags_that_do_not_belong_to_a_model(file):
    for model, arguments, message in (
        ("cifar10", {"best": True}, "best must be given with a run only, got 'cifar10'"),
        ("cifar10", {"preset": "caffe"}, "weights='cifar10' needs the preset 'four_layers', got 'caffe'"),
        (file, {"preset": "caffe"}, "preset must be 'four_layers', as .* says, got 'caffe'"),
        (RUN, {"preset": "caffe"}, "preset must be given with weights only, got 'caffe'"),
        (RUN.parent / "export", {"labels": "x"}, "labels must be given with weights only, got 'x'"),
    ):
        with pytest.raises(UserError, match=message):
            open_model(model, **arguments)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("format_version", "2", "weights must have format_version 1, got '2'"),
        ("network", "[" * 100_000, "weights must have JSON as network"),
        ("network", "{}", "weights must describe a network by preset, width,"),
        ("network", {"width": 100.0}, "weights must have the [0-9,]+ numbers of their network, got "),
        ("network", {"width": float("nan")}, "width must be finite"),
        ("network", {"pool_size": 10**12}, "weights must have pool_size of at most 1024"),
        ("network", {"image_size": 10**400}, "weights must have image_size of at most 1024"),
        ("network", {"image_size": 40}, "weights must have a mean image of 45 by 45 pixels"),
        ("network", {"preset": "vgg"}, "preset must be one of"),
        ("class_names", '["a"]', "weights must fit every layer|labels must be one for each of the "),
        ("class_names", "7", "weights must have a list of strings as class_names"),
        ("class_names", '["a\\u001b[31m", "b"]', "names of classes must be printable"),
    ],
)
def test_what_a_hostile_file_says_of_its_run(file, name, value, message):
    metadata = read_details(file).metadata()
    if isinstance(value, dict):
        value = json.dumps({**json.loads(metadata["network"]), **value})
    tensors = safetensors.numpy.load_file(file)
    safetensors.numpy.save_file(tensors, file, {**metadata, name: value})
    with pytest.raises(UserError, match=message):
        open_predictor(file)


@pytest.mark.parametrize("key", ["mean_image", "conv1.weight"])
def test_types_of_numbers_that_numpy_lacks(key, tmp_path):
    header = json.dumps({key: {"dtype": "F8_E4M3", "shape": [2, 2, 3], "data_offsets": [0, 12]}}).encode()
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(12))
    with pytest.raises(UserError, match="weights must be a complete .safetensors file, got .*float8"):
        open_predictor(path, preset="four_layers")


def test_commands(tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(helpers.noise_jpeg(0))
    done = commands.run("predict", "--model=cifar10", "--top=1", photo)
    assert done.returncode == 0 and done.stdout.startswith(f"{photo}: "), done.stderr
    assert any(name in done.stdout for name in CIFAR10)
    done = commands.run("features", "--model=cifar10", f"--out={tmp_path / 'f.npz'}", photo)
    assert done.stdout.endswith("1 image, pool3 float32 4x4x64\n"), done.stderr
    done = commands.run("export", "--model=cifar10", f"--out={tmp_path / 'out'}", "--formats=saved_model")
    assert done.stdout.endswith(
        "compared on 32 generated shapes; to compare on photographs, add --dataset=folder:PHOTOS\n"
    ), done.stderr
    about = json.loads((tmp_path / "out" / "manifest.json").read_text())["about"]
    assert about == {"preset": "four_layers", "weights": "cifar10", "compared on": "builtin:shapes"}
    done = commands.run("export", "--model=cifar10", f"--out={tmp_path / 'again'}", "--formats=tflite_full_int8")
    assert done.stderr.startswith("error: dataset must name real images to calibrate tflite_full_int8")


def test_what_needs_a_keras_model_or_a_dataset():
    with pytest.raises(UserError, match="model must be a run, a weight file, imagenet or cifar10, got the export "):
        open_model(RUN.parent / "export").keras_predictor  # noqa: B018
    with pytest.raises(UserError, match="dataset must be given to evaluate networks without a run"):
        evaluate_paths(["cifar10"])


def test_the_command_that_wrote_the_file_in_the_package(run, tmp_path):
    path = tmp_path / "half.safetensors"
    done = commands.run("weights", f"--from={RUN}", f"--out={path}", "--float16", "--check")
    assert done.returncode == 0 and "read again: the outputs are equal" in done.stdout, done.stderr
    assert {array.dtype.name for key, array in safetensors.numpy.load_file(path).items() if key != "mean_image"} == {
        "float16"
    }
    assert open_predictor(path).class_names == run.class_names
    done = commands.run("weights", f"--from={RUN}", "--preset=caffe", f"--out={path}")
    assert done.stderr.startswith("error: preset must be four_layers, as in the run ")


@pytest.mark.slow
def test_the_wheel_has_the_weights(tmp_path):
    package = pathlib.Path(alexnet_tf.__file__).parent
    source = tmp_path / "source"  # So that nothing is built in the checkout.
    shutil.copytree(package, source / "alexnet_tf", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "requirements-inference.txt"):
        shutil.copy(package.parent / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path]
    subprocess.run([*command, source], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for suffix in (".safetensors", ".md"):
        assert f"alexnet_tf/models/pretrained/data/cifar10{suffix}" in names
