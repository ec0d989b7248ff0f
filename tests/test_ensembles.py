"""The mean of several networks: numbers computed by hand, and the command as a user runs it."""

import dataclasses
import json
import shutil

import commands
import helpers
import numpy as np
import pytest

from alexnet_tf.errors import UserError
from alexnet_tf.evaluation import ensembles
from alexnet_tf.evaluation.evaluator import evaluate
from alexnet_tf.exporting.export import export
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import InputPreprocessing
from alexnet_tf.runs import layout
from alexnet_tf.runs.recipe import read_recipe
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.training.loop import train_and_evaluate

NARROW = {"width": 1 / 16, "image_size": 67, "batch_size": 8, "statistics_examples": 8, "steps": 2}


def _predictions(*networks, labels):
    return ensembles.EnsemblePredictions(np.array(networks, np.float32), np.array(labels), 1)


def test_mean_by_hand():
    # The first network misclassifies the second image; with twice the weight, the second network corrects it.
    predictions = _predictions([[0.9, 0.1], [0.7, 0.3]], [[0.6, 0.4], [0.2, 0.8]], labels=[0, 1])
    assert predictions.metrics([1, 0]).top1_error == 0.5
    mean = predictions.metrics([1, 2])
    assert mean.top1_error == 0 and mean.examples == 2
    # (.9 + 2 * .6) / 3 = .7 and (.3 + 2 * .8) / 3 = .6333
    assert mean.loss == pytest.approx(-(np.log(0.7) + np.log(1.9 / 3)) / 2, rel=1e-6)


def test_searched_weights_are_the_best_of_a_fine_grid():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    good = np.eye(3)[labels] * 2 + rng.normal(0, 1.5, (200, 3))
    fair = np.eye(3)[labels] + rng.normal(0, 1.5, (200, 3))
    noise = rng.normal(0, 1.5, (200, 3))
    networks = [np.exp(scores) / np.exp(scores).sum(1, keepdims=True) for scores in (good, fair, noise)]
    predictions = _predictions(*networks, labels=labels)
    found = ensembles.search_weights(predictions)
    grid = [(a, b, 1 - a - b) for a in np.arange(0, 1.001, 0.02) for b in np.arange(0, 1.001 - a, 0.02)]
    best = min(grid, key=lambda weights: predictions.metrics(np.maximum(weights, 0)).loss)
    assert found.sum() == pytest.approx(1)
    assert predictions.metrics(found).loss <= predictions.metrics(np.maximum(best, 0)).loss + 1e-6
    np.testing.assert_allclose(found, best, atol=0.02)


def test_networks_that_do_not_fit_together_are_refused():
    first = KerasPredictor("a", ("cat", "dog"), InputPreprocessing(76, 67), None)
    other_classes = KerasPredictor("b", ("dog", "cat"), InputPreprocessing(76, 67), None)
    with pytest.raises(UserError, match="same classes in the same order, got 'a' with 2 classes .*'b' with 2"):
        ensembles.check_same_inputs([first, other_classes])
    other_size = KerasPredictor("b", ("cat", "dog"), InputPreprocessing(112, 99), None)
    with pytest.raises(UserError, match="same input size, got 'a' with a crop of 67 pixels out of 76 and 'b' with "):
        ensembles.check_same_inputs([first, other_size])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs on the same images, and copies of one with other classes, another seed, and without `val`."""
    root = tmp_path_factory.mktemp("runs")
    folder = f"folder:{helpers.dark_and_light(root / 'set')}"
    for name, fields in (("one", {"seed": 0}), ("two", {"seed": 1, "data_seed": 0})):
        train_and_evaluate(get_recipe("demo", dataset=folder, **fields, **NARROW), root / name, helpers.UNWATCHED)
    bare = {"dataset": f"{folder}/train"}
    copies = {"renamed": {}, "seed": {"seed": 1}, "bare": bare, "bare_seed": {**bare, "seed": 1}}
    for name, fields in copies.items():
        shutil.copytree(root / "one", root / name)
        dataclasses.replace(read_recipe(root / "one"), **fields).save(root / name / "recipe.json")
        if "dataset" in fields:  # Which would otherwise be taken for a changed one.
            (root / name / layout.FILES).unlink()
    (root / "renamed" / "classes.json").write_text('["cat", "dog"]')
    return root


@pytest.mark.parametrize("views", [1, 10])
def test_predictions_are_the_evaluators(trained, views):
    opened = [load_run(trained / name) for name in ("one", "two")]
    split = opened[0].dataset.validation
    predictions = ensembles.predict_ensemble([run.predictor() for run in opened], split, batch_size=5, views=views)
    assert predictions.probabilities.shape == (2, 14, 2)
    for run, weights in zip(opened, np.eye(2), strict=True):
        alone = evaluate(run.predictor(), split, batch_size=5, views=views)
        found = predictions.metrics(weights)
        assert (found.top1_error, found.examples, found.views) == (alone.top1_error, 14, views)
        assert found.loss == pytest.approx(alone.loss, rel=1e-5)


def test_command(trained):
    one, two = trained / "one", trained / "two"
    done = commands.run("evaluate", f"--model={one},{two}", "--ensemble_weights=search", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["network"] for row in found["networks"]] == [str(one), str(two)]
    assert sum(row["weight"] for row in found["networks"]) == pytest.approx(1)
    # The metrics are those of every second of the 14 images.
    assert found["mean"]["examples"] == found["equal"]["examples"] == 7


def test_a_validation_set_of_its_own_does_not_depend_on_the_seed(trained):
    done = commands.run("evaluate", f"--model={trained / 'one'},{trained / 'seed'}", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows["mean"]["examples"] == 14 and rows["mean"]["loss"] == pytest.approx(rows["networks"][0]["loss"])


def test_exports_in_an_ensemble(trained):
    found = load_run(trained / "two")
    export(found.predictor(), trained / "out", ["saved_model", "tflite"], images=found.images("validation", 4))
    names = [str(trained / name) for name in ("one", "out", "out/model.tflite")]
    done = commands.run("evaluate", f"--model={','.join(names)}", "--ensemble_weights=0,1,1", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    expected = evaluate(found.predictor(), found.dataset)
    assert [row["network"] for row in rows["networks"]] == names
    for row in (*rows["networks"][1:], rows["mean"]):
        assert row["loss"] == pytest.approx(expected.loss, rel=1e-4) and row["examples"] == 14
    done = commands.run("evaluate", f"--model={names[2]}", f"--dataset={found.recipe.dataset}")
    alone = rows["networks"][2]
    assert done.stdout.startswith(f"top-1 error {alone['top1_error']:.2%}, "), done.stderr
    assert len(done.stdout.splitlines()) == 1
    # This mean includes the first network, whose given weight is 0.
    assert rows["equal"]["loss"] != pytest.approx(expected.loss, rel=1e-4)


@pytest.mark.parametrize(
    "names, flags, message",
    [
        ("one,renamed", [], "networks must have the same classes"),
        ("one,bare", [], "networks must hold out the same images"),
        ("bare,bare_seed", [], "networks must hold out the same images"),
        ("one,gone", [], "model must be the workdir of a run, an export"),
        ("set", [], "model must be the workdir of a run, an export"),
        ("one,two", ["--ensemble_weights=0,0"], "ensemble_weights must be 'search' or 2 numbers"),
    ],
)
def test_invalid_arguments_are_one_line(trained, names, flags, message):
    workdirs = ",".join(str(trained / name) for name in names.split(","))
    done = commands.run("evaluate", f"--model={workdirs}", *flags)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and message in line
