"""The compiled step: how many a call, what it minimises, XLA."""

import dataclasses

import commands
import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.training import xla
from alexnet_tf.training.loop import Options, train_and_evaluate
from alexnet_tf.training.step import TrainStep


@pytest.fixture(scope="module")
def recipe(dataset_name):
    return get_recipe(
        "demo", dataset=dataset_name, width=1 / 16, image_size=67, batch_size=8, statistics_examples=16,
        optimizer="paper_sgd", learning_rate=1e-3, dropout=0.5, steps=21, evaluate_every=11, schedule="cosine",
    )  # fmt: skip


@pytest.fixture(scope="module")
def one_a_call(recipe, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("one")
    train_and_evaluate(recipe, workdir, Options("none", layer_summaries_every=0, steps_per_call=1))
    return workdir


def test_many_steps_a_call_are_the_same_steps(recipe, one_a_call, tmp_path):
    train_and_evaluate(recipe, tmp_path, Options("none", layer_summaries_every=0, steps_per_call=4))
    for a, b in zip(*(load_run(workdir).model.get_weights() for workdir in (one_a_call, tmp_path)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert list(helpers.journal(tmp_path)) == list(helpers.journal(one_a_call)) == [10, 11, 20, 21]


def test_xla_gives_the_same_losses(recipe, tmp_path):
    still = dataclasses.replace(recipe, dropout=0.0, steps=5)
    losses = []
    for jit in ("false", "true"):
        train_and_evaluate(still, tmp_path / jit, Options("none", layer_summaries_every=0, jit=jit, log_every=1))
        losses.append([row["loss"] for row in helpers.journal(tmp_path / jit).values()])
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.fixture
def broken_xla(monkeypatch):
    """XLA as on a device that it does not know."""

    def fail():
        raise tf.errors.UnimplementedError(None, None, "Could not find a platform\nfor METAL")

    xla.why_unavailable.cache_clear()
    monkeypatch.setattr(xla, "_compile_something", fail)
    yield
    xla.why_unavailable.cache_clear()


def test_training_goes_on_where_xla_does_not_work(recipe, one_a_call, broken_xla, tmp_path, capsys):
    train_and_evaluate(recipe, tmp_path, Options("none", layer_summaries_every=0, jit="true"))
    for ours, compiled in zip(*(load_run(run).model.get_weights() for run in (tmp_path, one_a_call)), strict=True):
        np.testing.assert_allclose(ours, compiled, atol=1e-5)
    line = "XLA cannot compile here: training without it (Could not find a platform for METAL)"
    assert capsys.readouterr().err.splitlines().count(line) == 1


def test_without_jit_nothing_is_compiled(recipe, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(xla, "_compile_something", lambda: pytest.fail("XLA was tried"))
    xla.why_unavailable.cache_clear()
    train_and_evaluate(dataclasses.replace(recipe, steps=1), tmp_path, Options("none", jit="false"))
    assert "XLA" not in capsys.readouterr().err


def test_deterministic_kernels_are_turned_on_and_train(recipe, tmp_path):
    """In a process of its own, since they cannot be turned off again."""
    recipe.save(tmp_path / "recipe.json")
    code = (
        "import sys, alexnet_tf, tensorflow as tf\n"
        "from tensorflow.python.framework import config\n"
        "from alexnet_tf.training.options import Options\n"
        "recipe = alexnet_tf.get_recipe(sys.argv[1] + '/recipe.json', steps=2)\n"
        "alexnet_tf.train_and_evaluate(recipe, sys.argv[1] + '/run', Options('none', deterministic=True))\n"
        "assert config.is_op_determinism_enabled()\n"
    )
    done = commands.python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_time_is_divided_into_input_and_compute(one_a_call):
    for row in helpers.journal(one_a_call).values():
        assert 0 <= row["input_seconds"] < row["step_seconds"] and row["memory_mb"] > 100
        assert row["step_seconds"] == pytest.approx(row["input_seconds"] + row["compute_seconds"])


def test_smoothed_targets_are_keras_own(recipe):
    recipe = dataclasses.replace(recipe, label_smoothing=0.1, batch_size=4)
    inputs = keras.Input((5,))
    logits = keras.layers.Dense(3, name="fc8")(inputs)
    model = keras.Model(inputs, keras.layers.Activation("softmax", name="probabilities")(logits))
    step = TrainStep(tf.distribute.get_strategy(), model, None, recipe, 0.0, [], tf.Variable(0.0))
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(4, 5)).astype(np.float32), np.array([0, 2, 1, 1])
    _, gradients = step._gradients_of(images, labels, np.ones(4, np.float32), 1.0)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    with tf.GradientTape() as tape:
        value = loss(tf.one_hot(labels, 3), keras.Model(inputs, logits)(images))
    for ours, theirs in zip(gradients, tape.gradient(value, model.trainable_variables), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
