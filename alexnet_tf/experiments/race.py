"""Figure 1 of the paper: epochs to a training error, each variant at the best learning rate of a search."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_tf.experiments.experiment import Outcome, Plan, percent, train
from alexnet_tf.experiments.smoothing import smoothed
from alexnet_tf.runs.metrics_log import read_metrics
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.training.loop import LossNotFiniteError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Training errors are averaged over this many epochs: those of single batches vary by several points.
SPAN = 0.5


def race(
    plan: Plan,
    learning_rates: Sequence[float],
    search: Sequence[tuple[int, int]],
    target: float,
    max_epochs: int,
) -> Outcome:
    """Trains each variant at every learning rate for some steps, the better ones longer, the best up to a target error.

    Args:
        plan: its first variant is the one that the paper expects to be faster.
        learning_rates: to try.
        search: pairs of (steps, learning rates kept after them); the last pair keeps one. A learning rate that is best
            after few steps need not be the first to reach the target.
        target: training top-1 error to reach, a fraction.
        max_epochs: where to give up.
    """
    rows, curves, epochs_to_target = [], {}, {}
    for label, recipe in plan.variants.items():
        workdirs = {rate: plan.workdir(f"{label} {rate:g}") for rate in learning_rates}
        best, errors = _search(recipe, workdirs, search)
        epochs = _train_to(target, dataclasses.replace(recipe, learning_rate=best), workdirs[best], max_epochs)
        curve = smoothed(read_metrics(workdirs[best], "train"), SPAN)
        last = read_metrics(workdirs[best], "validation")[-1]
        name = f"{label}, learning rate {best:g}"
        curves[name], epochs_to_target[name] = curve, epochs
        rows.append(
            {
                "variant": label,
                "learning_rate": best,
                "epochs_to_target": epochs,
                "epochs_trained": round(last["epoch"], 2),
                "training_error": curve[-1]["top1_error"],
                "validation_error": last["top1_error"],
                **errors,
            }
        )

    def draw() -> "Figure":
        from alexnet_tf.plotting import curves as plot

        return plot.draw_race(curves, target, epochs_to_target)

    return Outcome(rows, _conclusion(rows, target), draw)


def _search(
    recipe: Recipe, workdirs: Mapping[float, pathlib.Path], search: Sequence[tuple[int, int]]
) -> tuple[float, dict[str, str]]:
    """Returns the best learning rate, and {`errors_after_N_steps`: the training error at each, as text}."""
    rates, shown = list(workdirs), {}
    for steps, kept in search:
        errors = {rate: _short_run_error(recipe, rate, workdirs[rate], steps) for rate in rates}
        shown[f"errors_after_{steps}_steps"] = ", ".join(
            f"{rate:g}: {percent(error, 1)}" for rate, error in errors.items()
        )
        rates = sorted(sorted(errors, key=lambda rate: errors[rate])[:kept])
    return rates[0], shown


def _short_run_error(recipe: Recipe, learning_rate: float, workdir: pathlib.Path, steps: int) -> float:
    """The training error over the last third of a short run; infinite if its loss did not stay finite."""
    try:
        train(dataclasses.replace(recipe, learning_rate=learning_rate, steps=steps), workdir)
    except LossNotFiniteError:
        return math.inf
    rows = read_metrics(workdir, "train")
    return float(np.mean([row["top1_error"] for row in rows if 2 / 3 * steps < row["step"] <= steps]))


def _train_to(target: float, recipe: Recipe, workdir: pathlib.Path, max_epochs: int) -> float | None:
    """Trains epoch by epoch until a training error is reached; returns how many epochs that took, or None."""
    for epochs in range(1, max_epochs + 1):
        train(dataclasses.replace(recipe, epochs=epochs, steps=None), workdir)
        for row in smoothed(read_metrics(workdir, "train"), SPAN):
            if row["top1_error"] <= target:
                return row["epoch"]
    return None


def _conclusion(rows: list[dict[str, Any]], target: float) -> str:
    searched = "Each variant has the learning rate with the lowest training error in the search. "
    fast, slow = rows
    if None in (fast["epochs_to_target"], slow["epochs_to_target"]):
        return searched + "; ".join(_state(row, target) for row in rows) + "."
    ratio = slow["epochs_to_target"] / fast["epochs_to_target"]
    return (
        f"{searched}{fast['variant']} reached {percent(target, 0)} training error (mean over half an epoch) after "
        f"{fast['epochs_to_target']:.1f} epochs, {slow['variant']} after {slow['epochs_to_target']:.1f}: "
        f"{ratio:.1f} times as many."
    )


def _state(row: Mapping[str, Any], target: float) -> str:
    if row["epochs_to_target"] is None:
        error = percent(row["training_error"], 1)
        return f"{row['variant']} was still at {error} after {row['epochs_trained']:g} epochs"
    return f"{row['variant']} reached {percent(target, 0)} training error after {row['epochs_to_target']:.1f} epochs"
