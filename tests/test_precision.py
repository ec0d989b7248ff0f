"""Half precision: the loss scale, and training that ends where float32's does."""

import os

import commands
import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.models.precision import PRECISIONS
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import build_model, load_run
from alexnet_tf.training import half_precision, loss_scale
from alexnet_tf.training.loop import train_and_evaluate

NARROW = {"width": 1 / 16, "image_size": 67, "batch_size": 8, "statistics_examples": 16}


def _skip_if_capped(precision):
    """Skips a test where ONEDNN_MAX_CPU_ISA keeps oneDNN from what the CPU and TensorFlow could do."""
    if os.environ.get("ONEDNN_MAX_CPU_ISA"):
        try:
            half_precision.check(precision)
        except UserError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("name", PRECISIONS)
def test_trains_as_in_float32(dataset_name, tmp_path, name):
    _skip_if_capped(name)
    recipe = get_recipe(
        "demo", dataset=dataset_name, precision=name, steps=60, learning_rate=1e-3, evaluate_every=60, **NARROW
    )
    result = train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED)
    rows = list(helpers.journal(tmp_path / "run").values())
    # Float32 reaches 0 errors of 14, and of the last 80 examples seen.
    assert result.top1_error == 0 and rows[-1]["top1_error"] <= 0.02
    assert ("loss_scale" in rows[-1]) == (name == "mixed_float16")
    run = load_run(tmp_path / "run")
    assert all(layer.compute_dtype == "float32" for layer in run.model.layers)
    assert keras.config.dtype_policy().name == "float32"


def test_a_device_without_half_precision_is_refused(tmp_path, monkeypatch):
    def fail(dtype):
        raise tf.errors.AbortedError(None, None, "could not create a primitive descriptor\nfor a convolution")

    monkeypatch.setattr(half_precision, "_convolve", fail)
    recipe = get_recipe("demo", precision="mixed_bfloat16", **NARROW)
    with pytest.raises(UserError, match="precision must be .*, got mixed_bfloat16: could not create a .* for a"):
        train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED)
    assert not (tmp_path / "run").exists()
    half_precision.check("float32")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    with pytest.raises(pytest.skip.Exception, match="got mixed_float16"):
        _skip_if_capped("mixed_float16")


def test_half_precision_is_where_it_should_be(tmp_path):
    recipe = get_recipe("paper", precision="mixed_float16", width=1 / 16, image_size=67)
    model = build_model(recipe, 10, recipe.precision)
    dtypes = {layer.name: layer.compute_dtype for layer in model.layers}
    assert dtypes["conv2"] == dtypes["norm1"] == dtypes["fc7"] == "float16"
    assert dtypes["fc8"] == dtypes["probabilities"] == "float32"
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}


def test_the_scale_halves_at_an_overflow_and_grows_after_good_steps(monkeypatch):
    monkeypatch.setattr(loss_scale, "STEPS_TO_GROW", 3)
    scale = loss_scale.LossScale()
    good, overflown = [tf.constant([2.0**16, 0.0])], [tf.constant([1.0]), tf.constant([np.inf])]
    gradients, fine = scale.unscale(good)
    assert fine and gradients[0].numpy().tolist() == [2.0, 0.0]
    gradients, fine = scale.unscale(overflown)
    assert not fine and [g.numpy().tolist() for g in gradients] == [[0.0], [0.0]]
    assert scale.scale.numpy() == 2**14
    for _ in range(3):
        scale.unscale(good)
    assert scale.scale.numpy() == 2**15 and scale.good_steps.numpy() == 0


_TWO_REPLICAS = """
import sys

import shared_fixtures  # Two logical devices.
import numpy as np
import tensorflow as tf

from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.training.loop import Options, train_and_evaluate
from alexnet_tf.training.loss_scale import LossScale

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    scale = LossScale()


@tf.function
def step():
    def replica():
        here = tf.distribute.get_replica_context().replica_id_in_sync_group
        return scale.unscale([tf.where(tf.equal(here, 1), np.inf, 1.0)])

    return strategy.run(replica)


(gradients,), good = step()
assert [g.numpy() for g in strategy.experimental_local_results(gradients)] == [0, 0], gradients
assert not any(g.numpy() for g in strategy.experimental_local_results(good)), good
assert scale.scale.numpy() == 2**14

narrow = {"width": 0.0625, "image_size": 67, "batch_size": 8, "steps": 20, "statistics_examples": 8}
recipe = get_recipe("demo", dataset=sys.argv[2], precision="mixed_float16", **narrow)
print(train_and_evaluate(recipe, sys.argv[1], Options("mirrored", layer_summaries_every=0, steps_per_call=4)).loss)
"""


def test_replicas_skip_a_step_together(dataset_name, tmp_path):
    _skip_if_capped("mixed_float16")
    # In a process of its own: TensorFlow's collectives remember the sizes of the strategies before.
    done = commands.python(_TWO_REPLICAS, tmp_path, dataset_name)
    assert done.returncode == 0, done.stderr
    assert np.isfinite(float(done.stdout))
