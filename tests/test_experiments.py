"""The four-layer network and its recipe, the fields that make variants, and experiments of a few steps."""

import dataclasses
import json

import commands
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.experiments import comparisons, experiment, race, report
from alexnet_tf.experiments.catalog import EXPERIMENTS, get_experiment
from alexnet_tf.experiments.smoothing import smoothed
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.keras_layers import make_layers
from alexnet_tf.models.specs import AveragePool, MaxPool
from alexnet_tf.runs.metrics_log import append_metrics, read_metrics
from alexnet_tf.runs.recipe import Recipe, read_recipe
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import build_model
from alexnet_tf.training.loop import LossNotFiniteError
from alexnet_tf.training.optimizer import build_optimizer
from alexnet_tf.training.schedules import variable_rates


def test_four_layers():
    model = AlexNet("four_layers", classes=10)
    assert model.input_shape == (None, 32, 32, 3)
    # 5x5x3x32+32, 5x5x32x32+32, 5x5x32x64+64, 4x4x64x10+10
    assert model.count_params() == 2_432 + 25_632 + 51_264 + 10_250
    assert [model.get_layer(f"pool{n}").output.shape[1:3] for n in (1, 2, 3)] == [(16, 16), (8, 8), (4, 4)]
    assert [layer.name for layer in model.layers[1:5]] == ["conv1", "relu1", "pool1", "cnorm1"]
    assert np.std(model.get_layer("conv1").kernel) == pytest.approx(1e-4, rel=0.05)


@pytest.mark.parametrize("pool, reduce", [(MaxPool, np.max), (AveragePool, np.mean)])
def test_pools_of_an_even_side_round_up_as_the_authors(pool, reduce):
    inputs = -np.random.default_rng(0).uniform(1, 2, (1, 6, 6, 2)).astype(np.float32)
    (layer,) = make_layers(pool(3, 2, "same"), inputs.shape[1:], "1")
    # The last windows hang over the edge, and what hangs over counts for nothing.
    expected = [[reduce(inputs[0, y : y + 3, x : x + 3], axis=(0, 1)) for x in (0, 2, 4)] for y in (0, 2, 4)]
    np.testing.assert_allclose(layer(inputs)[0], expected, rtol=1e-6)


def test_published_rates_and_decays(tmp_path):
    get_recipe("four_layers").save(tmp_path / "recipe.json")
    recipe = Recipe.load(tmp_path / "recipe.json")
    assert recipe == get_recipe("four_layers")
    model = build_model(recipe, 10)
    optimizer = build_optimizer(recipe)
    optimizer.build(model.trainable_variables)
    paths = [variable.path for variable in model.trainable_variables]
    decays = dict(zip(paths, optimizer.decays, strict=True))
    assert {decays[f"conv{n}/kernel"] for n in (1, 2, 3)} == {0.004} and decays["fc4/kernel"] == 1.0
    assert {decay for path, decay in decays.items() if path.endswith("bias")} == {0.0}
    rates = dict(zip(paths, variable_rates(recipe, paths, 1.0, 0), strict=True))
    assert rates["conv2/kernel"] == 0.001 and rates["fc4/bias"] == 0.002
    again = type(optimizer).from_config(optimizer.get_config())
    again.build(model.trainable_variables)
    assert again.decays == optimizer.decays


def _layer_names(**fields):
    recipe = get_recipe("original", width=1 / 16, image_size=67, **fields)
    return {layer.name: layer for layer in build_model(recipe, 4).layers}


def test_fields_of_a_recipe_make_variants():
    assert {"relu1", "norm1", "cnorm2"} < set(_layer_names())
    tanh = _layer_names(activation="tanh")
    assert {f"tanh{n}" for n in range(1, 8)} < set(tanh) and "relu1" not in tanh
    assert not {name for name in _layer_names(normalization=False) if "norm" in name}
    pools = _layer_names(pool_size=2)
    assert {pools[f"pool{n}"].pool_size for n in (1, 2, 5)} == {(2, 2)}
    assert {pools[f"pool{n}"].strides for n in (1, 2, 5)} == {(2, 2)}
    joined = _layer_names(towers=False)
    assert {joined[f"conv{n}"].groups for n in range(1, 6)} == {1} and joined["norm2"].groups == 1
    with pytest.raises(ValueError, match="activation must be .*relu.*tanh.*got 'elu'"):
        get_recipe("demo", activation="elu")


def test_data_seed_holds_out_the_same_images_from_every_seed():
    assert [get_recipe("demo", seed=3).dataset_seed, get_recipe("demo", seed=3, data_seed=0).dataset_seed] == [3, 0]


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("quick", [False, True])
def test_every_experiment_is_whole(name, quick, tmp_path):
    plan = get_experiment(name).plan(tmp_path, quick=quick, seed=5)
    recipes = list(plan.variants.values())
    assert all(recipe.seed == recipe.dataset_seed == 5 for recipe in recipes)
    assert len(set(recipes)) == len(recipes)
    assert {recipe.dataset for recipe in recipes} == {plan.recipe.dataset}
    for recipe in recipes:
        build_model(dataclasses.replace(recipe, width=1 / 16 if name != "relu_vs_tanh" else 1 / 4, image_size=67), 10)


def test_smoothed_errors_of_a_log(tmp_path):
    rows = [
        {"kind": "train", "step": 1, "epoch": 0.25, "top1_error": 0.9},
        {"kind": "train", "step": 2, "epoch": 0.5, "top1_error": 0.1},
        {"kind": "validation", "step": 2, "epoch": 0.5, "top1_error": 0.7},
        # Done again after a kill.
        {"kind": "train", "step": 2, "epoch": 0.5, "top1_error": 0.5},
        {"kind": "train", "step": 3, "epoch": 0.75, "top1_error": 0.3},
    ]
    for row in rows:
        append_metrics(tmp_path, row)
    assert [row["top1_error"] for row in read_metrics(tmp_path, "train")] == [0.9, 0.5, 0.3]
    assert [row["top1_error"] for row in read_metrics(tmp_path, "validation")] == [0.7]
    means = smoothed(read_metrics(tmp_path, "train"), 0.5)
    assert [row["step"] for row in means] == [2, 3]
    assert [row["top1_error"] for row in means] == pytest.approx([0.7, 0.4])


def test_two_standard_errors_by_hand():
    # sqrt((.2 * .8 + .5 * .5) / 41) = .1
    assert comparisons.two_standard_errors(0.2, 0.5, 41) == pytest.approx(0.2)


@pytest.fixture
def tiny(dataset_name, tmp_path):
    """From a name and fields to the `Plan` of an experiment of a few steps on two classes, in `tmp_path / "out"`."""

    def plan(name, settings=None, **fields):
        small = {"width": 1 / 16, "image_size": 67, "batch_size": 8, "statistics_examples": 8, "dataset": dataset_name}
        known = get_experiment(name)
        known = dataclasses.replace(
            known, quick={**known.quick, **small, **fields}, quick_settings=settings or known.quick_settings
        )
        return known.plan(tmp_path / "out", quick=True)

    return plan


def test_a_comparison_and_its_report(tiny, monkeypatch):
    plan = tiny("lrn", steps=4, evaluate_every=2)
    report.write(plan, plan.conduct())
    written = json.loads((plan.out / "results.json").read_text())
    assert [row["variant"] for row in written["rows"]] == ["with LRN", "without LRN"]
    assert all(row["images"] == 14 and 0 <= row["top1_error"] <= 1 for row in written["rows"])
    assert (plan.out / "results.tsv").read_text().splitlines()[0].startswith("variant\tparameters\ttop1_error")
    text = (plan.out / "results.md").read_text()
    assert "**Paper:** section 3.3" in text and "![" in text
    assert tf.io.decode_png((plan.out / "plot.png").read_bytes()).shape == (506, 1100, 4)
    # Both are finished: the same command trains nothing.
    monkeypatch.setattr(experiment, "train_and_evaluate", None)
    assert plan.conduct().rows == written["rows"]


def _journalling(steps_per_epoch, error):
    """Stands in for training: writes the metrics of a run whose error follows from its recipe and step."""

    def train(recipe, workdir):
        if recipe.learning_rate > 1:
            raise LossNotFiniteError
        workdir.mkdir(parents=True, exist_ok=True)
        (workdir / "metrics.jsonl").unlink(missing_ok=True)
        total = recipe.total_steps(steps_per_epoch * recipe.batch_size)
        for step in range(1, total + 1):
            for kind in ("train", "validation") if step == total else ("train",):
                row = {"kind": kind, "step": step, "epoch": step / steps_per_epoch, "top1_error": error(recipe, step)}
                append_metrics(workdir, row)

    return train


def test_a_race(tiny, monkeypatch):
    def error(recipe, step):
        speed = (4 if recipe.activation == "relu" else 1) * (2 if recipe.learning_rate == 0.01 else 1)
        return max(0.0, 1 - speed * step / 100)

    monkeypatch.setattr(race, "train", _journalling(10, error))
    # A target that no mean is equal to, so that no rounding decides when it is reached.
    settings = {"learning_rates": (0.001, 0.01, 10.0), "search": ((6, 2), (8, 1)), "target": 0.505, "max_epochs": 9}
    plan = tiny("relu_vs_tanh", settings)
    outcome = plan.conduct()
    relu, tanh = outcome.rows
    assert (relu["learning_rate"], tanh["learning_rate"]) == (0.01, 0.01)
    # ReLU loses 8 points a step: steps 5 to 9 have a mean of .44, and 4 to 8 one of .52.
    assert (relu["epochs_to_target"], relu["epochs_trained"]) == (0.9, 1.0)
    assert tanh["epochs_to_target"] == 2.7
    assert tanh["errors_after_6_steps"] == "0.001: 94.5 %, 0.01: 89.0 %, 10: not finite"
    assert tanh["errors_after_8_steps"] == "0.001: 93.0 %, 0.01: 86.0 %"
    assert "after 0.9 epochs, tanh after 2.7: 3.0 times as many" in outcome.conclusion
    text = report.write(plan, outcome)
    assert "10: not finite" in text and "at most 9 epochs with a batch size of" in text
    given_up = tiny("relu_vs_tanh", {**settings, "max_epochs": 2}).conduct()
    assert given_up.rows[1]["epochs_to_target"] is None
    assert "tanh was still at" in given_up.conclusion


def test_finished_means_as_far_as_the_recipe_goes(tiny):
    plan = tiny("views", steps=None, epochs=2)
    workdir = plan.workdir("network")
    assert not experiment.is_finished(workdir, plan.recipe)
    experiment.train(plan.recipe, workdir)
    assert experiment.is_finished(workdir, plan.recipe)
    assert experiment.is_finished(workdir, dataclasses.replace(plan.recipe, epochs=1))
    assert experiment.is_finished(workdir, dataclasses.replace(plan.recipe, steps=3))
    assert not experiment.is_finished(workdir, dataclasses.replace(plan.recipe, epochs=3))
    assert not experiment.is_finished(workdir, dataclasses.replace(plan.recipe, seed=1))
    views = plan.conduct().rows
    assert [row["variant"] for row in views] == ["1 view", "10 views"]


def test_an_average(tiny):
    plan = tiny("ensemble", {"networks": 2}, steps=2)
    outcome = plan.conduct()
    assert [row["variant"] for row in outcome.rows] == ["seed-0", "seed-1", "mean of 2"]
    recipes = [read_recipe(plan.workdir(f"seed {n}")) for n in (0, 1)]
    assert [(recipe.seed, recipe.dataset_seed) for recipe in recipes] == [(0, 0), (1, 0)]
    losses = [row["loss"] for row in outcome.rows]
    assert losses[2] <= (losses[0] + losses[1]) / 2  # The logarithm is concave.


def test_unknown_experiments_are_one_line():
    done = commands.run("experiment", "colors")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == f"error: NAME must be one of {', '.join(EXPERIMENTS)}, got colors"
