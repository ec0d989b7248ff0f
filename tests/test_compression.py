"""Compression: projected dense layers, ranks for a size, and a fine-tuning that can be resumed."""

import dataclasses
import importlib.util
import itertools
import json

import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.compression.compress import compress
from alexnet_tf.compression.projection import Components
from alexnet_tf.compression.ranks import choose_ranks, compressible, int4_bytes
from alexnet_tf.errors import UserError
from alexnet_tf.exporting import tflite
from alexnet_tf.models.presets import PAPER, get_preset
from alexnet_tf.runs.recipe import DenseRank
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import build_model, load_run
from alexnet_tf.training.distillation import LABEL_WEIGHT, TEMPERATURE, distillation_losses
from alexnet_tf.training.loop import train_and_evaluate

needs_quantizer = helpers.requires(
    importlib.util.find_spec("ai_edge_quantizer"), "no ai_edge_quantizer here; pip install 'alexnet-tf[int4]'"
)
# Between the smallest and the present size of the network of `source`, in MB.
TARGET = 0.72


@pytest.fixture(scope="module")
def source(dataset_name, tmp_path_factory):
    """A run of a network with dense layers of 1,024 units."""

    def make(root):
        recipe = get_recipe(
            "demo", dataset=dataset_name, width=1 / 4, image_size=67, dropout=0.5, batch_size=8, steps=6,
            statistics_examples=16,
        )  # fmt: skip
        train_and_evaluate(recipe, root / "run", helpers.UNWATCHED)

    return helpers.made_once(tmp_path_factory, "wide_run", make) / "run"


def _spectrum(units, images, decay, seed=0):
    """Outputs whose variance falls by a factor from one direction to the next."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(images, units)) * decay ** np.arange(units) + rng.normal(size=units)


def test_projection_against_float64():
    rng = np.random.default_rng(0)
    inputs, kernel, bias = rng.normal(size=(50, 12)), rng.normal(size=(12, 9)), rng.normal(size=9)
    outputs = inputs @ kernel + bias
    components = Components.of(outputs.astype(np.float32))
    into, out_of, new_bias = components.project(kernel.astype(np.float32), bias.astype(np.float32), 4)
    assert (into.shape, out_of.shape) == ((12, 4), (4, 9))
    values, vectors = np.linalg.eigh(np.cov(outputs.T, bias=True))
    basis, mean = vectors[:, ::-1][:, :4], outputs.mean(0)
    expected = mean + (outputs - mean) @ basis @ basis.T
    np.testing.assert_allclose(inputs @ into @ out_of + new_bias, expected, atol=1e-5)
    np.testing.assert_allclose(components.variances, values[::-1], rtol=1e-4)
    lost = ((outputs - expected) ** 2).sum() / ((outputs - mean) ** 2).sum()
    assert components.lost(4) == pytest.approx(lost, rel=1e-4) and components.lost(9) == 0


def test_distillation_against_float64():
    rng = np.random.default_rng(0)
    label_losses, logits, teacher = rng.random(3), rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    soft, teacher_soft = (np.exp(x / TEMPERATURE) for x in (logits, teacher))
    soft, teacher_soft = (x / x.sum(-1, keepdims=True) for x in (soft, teacher_soft))
    divergence = (teacher_soft * np.log(teacher_soft / soft)).sum(-1)
    expected = LABEL_WEIGHT * label_losses + (1 - LABEL_WEIGHT) * TEMPERATURE**2 * divergence
    arguments = (tf.constant(x, tf.float32) for x in (label_losses, logits, teacher))
    np.testing.assert_allclose(distillation_losses(*arguments), expected, rtol=1e-5)


def test_only_large_dense_layers_are_compressed():
    assert compressible(PAPER, 227, 10) == {"fc6": 2816, "fc7": 2016}
    # A classifier of many classes is large.
    assert list(compressible(PAPER, 227, 1000)) == ["fc6", "fc7", "fc8"]
    assert compressible(get_preset("four_layers"), 32, 10) == {}


def test_ranks_are_the_best_for_the_size():
    """Against all pairs of ranks; None leaves a layer as it is."""
    network = PAPER.widened(1 / 4)
    components = {
        "fc6": Components.of(_spectrum(1024, 300, 0.98)), "fc7": Components.of(_spectrum(1024, 300, 0.95))
    }  # fmt: skip
    target = 0.5e6

    def lost(ranks):
        return sum(components[name].lost(rank) for name, rank in ranks.items())

    found = choose_ranks(network, 99, 10, components, target)
    pairs = itertools.product([*range(32, 161, 32), None], [*range(32, 289, 32), None])
    pairs = [{name: rank for name, rank in zip(components, pair, strict=True) if rank} for pair in pairs]
    allowed = [pair for pair in pairs if int4_bytes(network.with_dense_ranks(pair), 99, 10) <= target]
    assert found in allowed and len(allowed) < len(pairs)
    assert lost(found) <= min(map(lost, allowed)) + 1e-9
    with pytest.raises(UserError, match=r"target_mb must be at least 0\.\d\d for this network, .*, got 0.1"):
        choose_ranks(network, 99, 10, components, 1e5)


@needs_quantizer
@pytest.mark.parametrize("ranks", [{}, {"fc6": 32, "fc7": 64}])
def test_the_size_of_the_file_is_known_before(source, ranks):
    run = load_run(source)
    recipe = dataclasses.replace(run.recipe, dense_ranks=tuple(DenseRank(*each) for each in ranks.items()))
    model = build_model(recipe, 2)
    size = len(tflite.convert(dataclasses.replace(run, recipe=recipe, model=model).predictor(), "tflite_int4"))
    assert size == pytest.approx(int4_bytes(recipe.network, 67, 2), abs=20_000)


@pytest.fixture(scope="module")
def compressed(source, tmp_path_factory):
    def make(root):
        compress(source, root / "run", TARGET, options=helpers.UNWATCHED)

    return helpers.made_once(tmp_path_factory, "compressed", make) / "run"


@needs_quantizer
def test_a_compressed_run_is_a_run_like_any_other(source, compressed):
    before, run = load_run(source), load_run(compressed)
    assert run.recipe.dense_ranks == (DenseRank("fc6", 32), DenseRank("fc7", 32))
    assert run.recipe.teacher == str(source) and run.recipe.dataset == before.recipe.dataset
    np.testing.assert_array_equal(run.mean, before.mean)
    report = json.loads((compressed / "compression.json").read_text())
    assert report["after"]["parameters"] == run.model.count_params() < before.model.count_params()
    sizes = {file["format"]: file["megabytes"] for file in report["after"]["files"]}
    assert sizes["tflite_int4"] <= TARGET < report["before"]["files"][1]["megabytes"]
    result = json.loads((compressed / "result.json").read_text())
    assert report["after"]["top1_error"] == result["top1_error"]
    # It begins as the projection, and learns.
    start = build_model(run.recipe, 2)
    start.load_weights(compressed / "initial.weights.h5")
    np.testing.assert_array_equal(start.get_layer("conv1").get_weights()[0], before.model.get_layer("conv1").kernel)
    assert not np.array_equal(start.get_layer("fc7").get_weights()[0], run.model.get_layer("fc7").kernel)
