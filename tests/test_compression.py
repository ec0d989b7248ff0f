"""Compression: projected dense layers, ranks for a size, and a fine-tuning that can be resumed."""

import dataclasses
import importlib.util
import itertools
import json
import pathlib
import shutil
import sys

import commands
import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.compression import ranks
from alexnet_tf.compression.compress import compress
from alexnet_tf.compression.projection import Components
from alexnet_tf.compression.ranks import choose_ranks, compressible, int4_bytes
from alexnet_tf.compression.report import Compression
from alexnet_tf.data.statistics import Statistics
from alexnet_tf.errors import UserError
from alexnet_tf.exporting import tflite
from alexnet_tf.models import cost
from alexnet_tf.models.presets import PAPER, get_preset
from alexnet_tf.models.pretrained.load import load_weights
from alexnet_tf.models.pretrained.safetensors_file import read_details
from alexnet_tf.models.pretrained.writers import save_weights
from alexnet_tf.plotting import file_sizes
from alexnet_tf.runs.recipe import DenseRank
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import Run, build_model, load_run
from alexnet_tf.runs.source import described_recipe, run_details
from alexnet_tf.training.distillation import LABEL_WEIGHT, TEMPERATURE, Teacher, distillation_losses
from alexnet_tf.training.interruption import Interrupted, Stop
from alexnet_tf.training.loop import train_and_evaluate

needs_quantizer = helpers.requires(
    importlib.util.find_spec("ai_edge_quantizer"), "no ai_edge_quantizer here; pip install 'alexnet-tf[int4]'"
)
TARGET = 0.305  # In MB; between the smallest and the present size of the network of `source`.
GOLDEN = pathlib.Path(__file__).resolve().parent / "goldens" / "run"


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
@pytest.mark.parametrize("chosen", [{}, {"fc6": 32, "fc7": 64}])
def test_the_size_of_the_file_is_known_before(source, chosen):
    run = load_run(source)
    recipe = dataclasses.replace(run.recipe, dense_ranks=tuple(DenseRank(*each) for each in chosen.items()))
    model = build_model(recipe, 2)
    size = len(tflite.convert(dataclasses.replace(run, recipe=recipe, model=model).predictor(), "tflite_int4"))
    assert 0 <= int4_bytes(recipe.network, 67, 2) - size < 15_000


@pytest.fixture(scope="module")
def compressed(source, tmp_path_factory):
    def make(root):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ranks, "_OVERHEAD", 0)  # What is computed too low is noticed, and corrected.
            patch.setattr("alexnet_tf.compression.compress.measure_files", lambda run: [])
            compress(source, root / "run", TARGET, 1, helpers.UNWATCHED)

    return helpers.made_once(tmp_path_factory, "compressed", make) / "run"


@needs_quantizer
def test_a_compressed_run_is_a_run_like_any_other(source, compressed):
    before, run = load_run(source), load_run(compressed)
    assert run.recipe.dense_ranks == (DenseRank("fc6", 32), DenseRank("fc7", 32))
    assert run.recipe.teacher == str(source) and run.recipe.dataset == before.recipe.dataset
    np.testing.assert_array_equal(run.mean, before.mean)
    report = json.loads((compressed / "compression.json").read_text())
    assert report["after"]["parameters"] == run.model.count_params() < before.model.count_params()
    result = json.loads((compressed / "result.json").read_text())
    assert report["after"]["top1_error"] == result["top1_error"]
    # It begins as the projection, and learns.
    start = build_model(run.recipe, 2)
    start.load_weights(compressed / "initial.weights.h5")
    np.testing.assert_array_equal(start.get_layer("conv1").get_weights()[0], before.model.get_layer("conv1").kernel)
    assert not np.array_equal(start.get_layer("fc7").get_weights()[0], run.model.get_layer("fc7").kernel)


@needs_quantizer
def test_a_stopped_compression_is_resumed(source, compressed, tmp_path, monkeypatch):
    """With the weights of one that never stopped, and with the same arguments only."""
    out = tmp_path / "out"
    monkeypatch.setattr("alexnet_tf.compression.compress.measure_files", lambda run: [])

    def stopped(stop):
        stop.requested, stop.signal = tf.Variable(1.0), 2

    with monkeypatch.context() as patch:
        patch.setattr(Stop, "__init__", stopped)
        with pytest.raises(Interrupted, match="after step 1 of 5"):
            compress(source, out, TARGET, 1, helpers.UNWATCHED)
    with pytest.raises(UserError, match=f"out must be new, or begun with the same .* and target_mb={TARGET}"):
        compress(source, out, TARGET + 0.01, 1, helpers.UNWATCHED)
    assert compress(source, out, TARGET, 1, helpers.UNWATCHED) == Compression.load(compressed)
    for one, other in zip(load_run(out).model.get_weights(), load_run(compressed).model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@needs_quantizer
def test_the_command_prints_sizes_and_refuses_a_larger_loss(source, compressed, tmp_path):
    shutil.copytree(compressed, tmp_path / "out")
    done = commands.run(
        "compress", f"--workdir={source}", f"--out={tmp_path / 'out'}", f"--target_mb={TARGET}", "--max_loss=-2"
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: the top-1 error rose by ") and "more than max_loss=-2; the run in" in last
    titles = [line[:26].strip() for line in done.stdout.splitlines()]
    assert titles[-3:] == ["tflite_int4, MB", "tflite_int4, ms", "tflite_int4, top-1 error"]
    report = Compression.load(tmp_path / "out")
    before, after = (
        {file["format"]: file["megabytes"] for file in state.files} for state in (report.before, report.after)
    )
    assert after["tflite_int4"] <= TARGET < before["tflite_int4"] and after["tflite_int8"] < before["tflite_int8"]


def _unfinished(source, root):
    shutil.copytree(source, root / "unfinished")
    (root / "unfinished" / "result.json").unlink()
    return root / "unfinished"


@needs_quantizer
@pytest.mark.parametrize(
    "made, target, message",
    [
        (lambda source, root: source, 0.1, r"target_mb must be at least 0\.\d\d for this network, .* got 0.10"),
        (lambda source, root: source, 30, r"target_mb must be below \d\.\d\d, the size of the int4 file .* got 30"),
        (lambda source, root: GOLDEN, 1, "workdir must hold a network with large dense layers, got preset 'four_la"),
        (_unfinished, 1, "workdir must hold a finished run, got .*unfinished'; alexnet-tf train resumes it"),
        (lambda source, root: root, 1, "out must be another directory than workdir, got .* for both"),
        (lambda source, root: root / "none", 1, "workdir must hold a run of alexnet-tf train, got .*none'"),
    ],
)
def test_mistakes(source, made, target, message, tmp_path, monkeypatch):
    workdir = made(source, tmp_path)
    monkeypatch.setattr("alexnet_tf.compression.compress.evaluate", None)  # Told before any long work.
    with pytest.raises(UserError, match=message):
        compress(workdir, tmp_path, target)
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    with pytest.raises(UserError, match=r"compress needs ai_edge_quantizer: pip install 'alexnet-tf\[int4\]'"):
        compress(source, tmp_path / "out")


@needs_quantizer
def test_a_compressed_run_is_not_compressed_again(source, compressed, tmp_path):
    with pytest.raises(UserError, match="workdir must hold a run that is not compressed, .*; compress .*wide_run"):
        compress(compressed, tmp_path / "out")


def test_a_network_learns_from_its_teacher(source, dataset_name, tmp_path):
    fields = {"dataset": dataset_name, "width": 1 / 16, "image_size": 67, "batch_size": 8, "steps": 2}
    for name, teacher in (("alone", None), ("taught", str(source))):
        train_and_evaluate(get_recipe("demo", teacher=teacher, **fields), tmp_path / name, helpers.UNWATCHED)
    alone, taught = (load_run(tmp_path / name).model.get_weights() for name in ("alone", "taught"))
    assert not np.array_equal(alone[0], taught[0])
    assert f"Teacher: {source}" in (tmp_path / "taught" / "train.log").read_text()
    wrong = get_recipe("demo", teacher=str(source), **{**fields, "image_size": 83})
    with pytest.raises(UserError, match="teacher must have an input of 83 pixels, got .* with 67 pixels"):
        train_and_evaluate(wrong, tmp_path / "wrong", helpers.UNWATCHED)
    with pytest.raises(UserError, match="teacher must have the classes of dataset 'builtin:shapes', got"):
        train_and_evaluate(dataclasses.replace(wrong, dataset="builtin:shapes"), tmp_path / "wrong", helpers.UNWATCHED)
    assert not (tmp_path / "wrong").exists()


def test_a_teacher_sees_inputs_relative_to_its_own_mean(source):
    run = load_run(source)
    inputs = tf.constant(np.random.default_rng(0).normal(0, 50, (2, 67, 67, 3)), tf.float32)
    found = Teacher(run, run.mean + 5).logits(inputs)
    np.testing.assert_allclose(tf.nn.softmax(found), run.model(inputs + 5), atol=1e-5)


@pytest.mark.parametrize("suffix", [".weights.h5", ".safetensors", ".onnx"])
@pytest.mark.parametrize("preset", ["paper", "torchvision"])
def test_weights_of_a_compressed_network_are_written_and_read(preset, suffix, tmp_path):
    products = (DenseRank("fc6", 8), DenseRank("fc8", 4))
    recipe = get_recipe("paper", preset=preset, width=1 / 16, image_size=67, dense_ranks=products)
    model, again = (helpers.enliven(build_model(recipe, 10), seed) for seed in range(2))
    save_weights(model, recipe.network, tmp_path / f"x{suffix}")
    assert load_weights(again, tmp_path / f"x{suffix}", preset) == {}
    images = np.random.default_rng(0).uniform(-100, 100, (2, 67, 67, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(images), again(images))
    layers = cost.stages(recipe.network, 67, 10)
    assert [layer.name for layer in layers[-5:]] == ["bottleneck6", "fc6", "fc7", "bottleneck8", "fc8"]
    assert sum(layer.parameters for layer in layers) == model.count_params()


def test_a_weight_file_says_the_ranks(tmp_path):
    recipe = get_recipe("demo", width=1 / 16, image_size=67, dense_ranks=(DenseRank("fc6", 8),))
    statistics = Statistics(np.zeros((76, 76, 3), np.float32), np.ones(3), np.eye(3), 1)
    run = Run(recipe, ("a", "b"), statistics, build_model(recipe, 2), tmp_path)
    save_weights(run.model, recipe.network, tmp_path / "x.safetensors", run_details(run))
    assert described_recipe(read_details(tmp_path / "x.safetensors"), "x").dense_ranks == recipe.dense_ranks


def test_the_curve_is_drawn_by_size():
    points = [file_sizes.Point(4.0, 0.3, 0.2), file_sizes.Point(3.0, 0.5, 0.4)]
    (axes,) = file_sizes.draw({"one": (0.1, points)}).axes
    projected, fine_tuned, _ = (line.get_xydata() for line in axes.lines)
    np.testing.assert_allclose(projected, [[3, 40], [4, 20]])
    np.testing.assert_allclose(fine_tuned, [[3, 30], [4, 10]])


def test_ranks_of_layers_that_are_not_dense_are_refused():
    with pytest.raises(UserError, match="dense_ranks must name some of fc6, fc7, fc8, got conv5"):
        get_recipe("demo", dense_ranks=(DenseRank("conv5", 8),))
    with pytest.raises(UserError, match="rank must be at least 1, got 0"):
        DenseRank("fc6", 0)
