"""Runs of the narrow network: replicas, resuming, refusing, interrupting."""

import dataclasses
import json
import signal

import commands
import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.evaluation.evaluator import Evaluator
from alexnet_tf.evaluation.metrics import Sums, batch_sums
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.training.interruption import Interrupted, Stop
from alexnet_tf.training.loop import Options, train_and_evaluate

NARROW = {"width": 1 / 16, "image_size": 67, "batch_size": 8, "statistics_examples": 16}


@pytest.fixture
def folder(tmp_path):
    return f"folder:{helpers.dark_and_light(tmp_path / 'set')}"


def _losses(workdir):
    """{step: loss} of the event files."""
    losses = {}
    for file in sorted((workdir / "logs" / "train").iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.tag == "metrics/loss":
                    losses[event.step] = float(tf.make_ndarray(value.tensor))
    return losses


def _weights(workdir):
    return load_run(workdir).model.get_weights()


def test_learns_and_leaves_a_run(folder, tmp_path):
    recipe = get_recipe("demo", dataset=folder, steps=40, learning_rate=1e-3, **NARROW)
    result = train_and_evaluate(recipe, tmp_path / "run", Options("none"))
    assert result.examples == 14
    assert result.top1_error == 0
    run = load_run(tmp_path / "run")
    assert run.class_names == ("dark", "light") and run.recipe == recipe
    again = Evaluator(run.predictor(), batch_size=5)(run.dataset.validation)
    assert again.top1_error == result.top1_error and again.examples == 14
    assert again.loss == pytest.approx(result.loss, rel=1e-4)
    ten = Evaluator(run.predictor(), batch_size=5, views=10)(run.dataset.validation)
    assert ten.examples == 14 and ten.top1_error <= 0.1
    assert json.loads((tmp_path / "run" / "result.json").read_text())["top1_error"] == 0


@pytest.mark.parametrize("optimizer", ["paper_sgd", "adam"])
def test_two_replicas_give_the_losses_of_one_device(dataset_name, tmp_path, optimizer):
    # A batch that does not divide, and a rate at which losses stay near ln 2, where float32 has relative accuracy.
    fields = {**NARROW, "batch_size": 7, "learning_rate": 1e-5, "optimizer": optimizer, "color_noise": True}
    recipe = get_recipe("demo", dataset=dataset_name, steps=50, evaluate_every=25, **fields)
    losses = {}
    for strategy in ("none", "mirrored"):
        train_and_evaluate(recipe, tmp_path / strategy, Options(strategy, layer_summaries_every=0, log_every=1))
        losses[strategy] = _losses(tmp_path / strategy)
    assert len(tf.config.list_logical_devices("CPU")) == 2
    assert losses["none"].keys() == losses["mirrored"].keys() and len(losses["none"]) == 50
    difference = max(abs(losses["mirrored"][step] / loss - 1) for step, loss in losses["none"].items())
    print(f"largest relative difference of losses, two mirrored devices, {optimizer}: {difference:.1e}")
    assert difference < 1e-5


_BOTH_STRATEGIES = """
import sys

import shared_fixtures  # Two logical devices.
from alexnet_tf.training.loop import Options, train_and_evaluate
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run

narrow = {"width": 0.0625, "image_size": 67, "batch_size": 8, "steps": 4, "statistics_examples": 8}
recipe = get_recipe("demo", dataset=sys.argv[2], preset="bn", initialization="preset", **narrow)
for strategy in ("none", "mirrored"):
    print(train_and_evaluate(recipe, f"{sys.argv[1]}/{strategy}", Options(strategy, layer_summaries_every=0)).loss)
"""


def test_batch_normalization_is_over_the_global_batch(dataset_name, tmp_path):
    # In a process of its own: TensorFlow's collectives remember the sizes of the strategies before.
    done = commands.python(_BOTH_STRATEGIES, tmp_path, dataset_name)
    assert done.returncode == 0, done.stderr
    one, two = map(float, done.stdout.split())
    assert two == pytest.approx(one, rel=1e-5)


def test_a_resumed_run_equals_an_unbroken_one(dataset_name, tmp_path):
    recipe = get_recipe("original", dataset=dataset_name, steps=12, evaluate_every=4, **NARROW)
    train_and_evaluate(recipe, tmp_path / "unbroken", helpers.UNWATCHED)
    train_and_evaluate(dataclasses.replace(recipe, steps=4), tmp_path / "resumed", helpers.UNWATCHED)
    train_and_evaluate(recipe, tmp_path / "resumed", helpers.UNWATCHED)
    for unbroken, resumed in zip(_weights(tmp_path / "unbroken"), _weights(tmp_path / "resumed"), strict=True):
        np.testing.assert_array_equal(unbroken, resumed)


@pytest.mark.parametrize("examples, interval", [(42, 50), (80, 50), (104, 52), (3200, 400), (8, 50)])
def test_tiny_epochs_are_validated_after_fifty_steps(examples, interval):
    recipe = get_recipe("demo", **NARROW)
    assert recipe.validation_interval(examples) == interval
    assert dataclasses.replace(recipe, evaluate_every=3).validation_interval(examples) == 3


def test_another_run_is_refused(run_and_export):
    other = dataclasses.replace(load_run(run_and_export / "run").recipe, preset="one_tower")
    with pytest.raises(ValueError, match="the same run, .* differs in preset: saved 'paper', requested 'one_tower'"):
        train_and_evaluate(other, run_and_export / "run", helpers.UNWATCHED)


def test_unusable_workdirs(folder, tmp_path):
    file = tmp_path / "file"
    file.touch()
    recipe = get_recipe("demo", dataset=folder, steps=1, **NARROW)
    with pytest.raises(ValueError, match="workdir must be writable"):
        train_and_evaluate(recipe, file, helpers.UNWATCHED)
    with pytest.raises(ValueError, match="workdir must be new, empty or hold a run, .* which holds file, set"):
        train_and_evaluate(recipe, tmp_path, helpers.UNWATCHED)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "set"]
    with pytest.raises(ValueError, match="workdir must hold a run"):
        load_run(tmp_path)


def _stopped(stop):
    stop.requested, stop.signal = tf.Variable(1.0), signal.SIGINT


def test_a_stop_saves_and_the_run_goes_on(dataset_name, tmp_path, monkeypatch):
    recipe = get_recipe("demo", dataset=dataset_name, steps=4, **NARROW)
    with monkeypatch.context() as patch:
        patch.setattr(Stop, "__init__", _stopped)
        with pytest.raises(Interrupted, match="after step 1 of 4") as stopped:
            train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED)
    assert stopped.value.exit_code == 130
    train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED)
    assert max(_losses(tmp_path / "run")) == 4


def test_a_file_that_is_no_image_is_skipped_and_named(folder, tmp_path, capsys):
    bad = tmp_path / "set" / "train" / "dark" / "bad.jpg"
    bad.write_text("not an image")
    train_and_evaluate(get_recipe("demo", dataset=folder, steps=6, **NARROW), tmp_path / "run", helpers.UNWATCHED)
    assert f"1 file skipped, not a readable image: {bad}" in capsys.readouterr().err


def test_sums_by_hand():
    probabilities = tf.constant([[0.1, 0.2, 0.3, 0.05, 0.15, 0.12, 0.08]] * 3)
    labels, weights = tf.constant([2, 3, 0], tf.int64), tf.constant([1.0, 1.0, 0.0])
    sums = Sums(*batch_sums(probabilities, labels, weights).numpy())
    assert (sums.top1_correct, sums.top5_correct, sums.examples) == (1, 1, 2)
    assert sums.loss == pytest.approx(-np.log(0.3) - np.log(0.05), rel=1e-5)
