"""Ways to conduct an experiment: compare variants, numbers of views, or an ensemble with its networks."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from alexnet_tf.evaluation.ensembles import predict_ensemble
from alexnet_tf.evaluation.evaluator import evaluate
from alexnet_tf.evaluation.metrics import Metrics
from alexnet_tf.experiments.experiment import Outcome, Plan, percent, train
from alexnet_tf.experiments.smoothing import smoothed
from alexnet_tf.runs.metrics_log import read_metrics
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import Run, load_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def compare(plan: Plan) -> Outcome:
    """Trains every variant and evaluates it on the held-out images."""
    rows, curves = [], {}
    for label, recipe in plan.variants.items():
        workdir = plan.workdir(label)
        train(recipe, workdir)
        run = load_run(workdir)
        training = read_metrics(workdir, "train")
        curves[label] = training, read_metrics(workdir, "validation")
        rows.append(
            {
                "variant": label,
                "parameters": run.model.count_params(),
                **_errors(_evaluate(run)),
                "training_error": smoothed(training, training[-1]["epoch"] / 10)[-1]["top1_error"],
                "images": run.dataset.validation.count,
            }
        )

    def draw() -> "Figure":
        from alexnet_tf.plotting import curves as plot

        return plot.draw(curves)

    return Outcome(rows, _compared(rows), draw)


def compare_views(plan: Plan) -> Outcome:
    """Trains one network and evaluates it with one and with ten views."""
    ((label, recipe),) = plan.variants.items()
    train(recipe, plan.workdir(label))
    run = load_run(plan.workdir(label))
    rows = []
    for views, name in ((1, "1 view"), (10, "10 views")):
        metrics = _evaluate(run, views)
        rows.append({"variant": name, **_errors(metrics), "images": metrics.examples})
    return Outcome(rows, _compared(rows), lambda: _draw_errors(rows))


def average(plan: Plan, networks: int) -> Outcome:
    """Trains networks that differ only in their seed, and averages the first two, three, ... of them.

    Args:
        plan: has one variant.
        networks: how many to train.
    """
    ((_, recipe),) = plan.variants.items()
    runs = []
    for number in range(networks):
        # The data seed stays the plan's: all networks must hold out the same images.
        seeded = dataclasses.replace(recipe, seed=recipe.seed + number)
        workdir = plan.workdir(f"seed {seeded.seed}")
        train(seeded, workdir)
        runs.append(load_run(workdir))
    split = runs[0].dataset.validation
    progress = Progress("averaging", split.count)
    predictions = predict_ensemble([run.predictor() for run in runs], split, progress=progress.update)
    weights = {run.workdir.name: [float(run is other) for other in runs] for run in runs}
    weights |= {f"mean of {n}": [float(number < n) for number in range(networks)] for n in range(2, networks + 1)}
    rows = []
    for name, each in weights.items():
        metrics = predictions.metrics(each)
        rows.append({"variant": name, **_errors(metrics), "images": metrics.examples})
    return Outcome(rows, _averaged(rows, networks), lambda: _draw_errors(rows))


def _evaluate(run: Run, views: int = 1) -> Metrics:
    """Evaluates a run on its own held-out images."""
    split = run.dataset.validation
    progress = Progress(f"evaluating {run.workdir.name}", split.count)
    return evaluate(run.predictor(), split, views=views, progress=progress.update)


def _errors(metrics: Metrics) -> dict[str, float]:
    return {"top1_error": metrics.top1_error, "top5_error": metrics.top5_error, "loss": metrics.loss}


def _draw_errors(rows: list[dict[str, Any]]) -> "Figure":
    from alexnet_tf.plotting import error_bars

    return error_bars.draw(rows)


def two_standard_errors(error: float, other: float, images: int) -> float:
    """Two standard errors of the difference between two errors, each measured on that many images."""
    return 2 * math.sqrt((error * (1 - error) + other * (1 - other)) / images)


def _compared(rows: list[dict[str, Any]]) -> str:
    """Compares each variant's error with the first one's, in sentences."""
    first, *others = rows
    parts = [f"Top-1 error on {first['images']:,} held-out images: {first['variant']} {percent(first['top1_error'])}"]
    for row in others:
        difference = row["top1_error"] - first["top1_error"]
        bound = two_standard_errors(first["top1_error"], row["top1_error"], row["images"])
        parts.append(
            f"{row['variant']} {percent(row['top1_error'])}, {100 * abs(difference):.2f} points "
            f"{'higher' if difference > 0 else 'lower'}: {'more' if abs(difference) > bound else 'not more'} than "
            f"chance alone explains (±{100 * bound:.2f} points at 95 %)"
        )
    return "; ".join(parts) + ". One seed: errors differ between seeds as well."


def _averaged(rows: list[dict[str, Any]], networks: int) -> str:
    """Compares the mean of all networks with the networks alone, in sentences."""
    alone = [row["top1_error"] for row in rows[:networks]]
    mean, ensemble = sum(alone) / networks, rows[-1]["top1_error"]
    return (
        f"Top-1 error on {rows[0]['images']:,} held-out images: {networks} single networks {percent(min(alone))} to "
        f"{percent(max(alone))}, {percent(mean)} on average; the mean of their probabilities {percent(ensemble)}, "
        f"{100 * (mean - ensemble):.2f} points lower. The networks differ only in their seed: initial weights, order "
        "of the images, and crops."
    )
