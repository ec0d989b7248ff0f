"""Figure 1: epochs to a training error, each variant at the best rate of a search."""

import dataclasses
import math

import numpy as np

from alexnet_tf.experiments.experiment import Outcome, percent, train
from alexnet_tf.experiments.history import history, smoothed
from alexnet_tf.plotting import experiment_plots

# Training errors are means over this many epochs: single batches scatter by several points.
SPAN = 0.5


def race(plan, rates, search, target, most_epochs):
    """Trains each variant at every rate for some steps, the better ones on, the best until its error is reached.

    Args:
        plan: `Plan`; of its variants the first is the one that the paper expects to be faster.
        rates: learning rates to try.
        search: (steps, rates kept after them), one pair after the other; the last keeps one. What begins fast need
            not be what arrives first.
        target: training top-1 error to reach, a share.
        most_epochs: where to give up.

    Returns:
        `Outcome`.
    """
    rows, curves = [], {}
    for label, recipe in plan.variants.items():
        workdirs = {rate: plan.workdir(f"{label} {rate:g}") for rate in rates}
        best, tried = _search(recipe, workdirs, search)
        reached = _run_on(dataclasses.replace(recipe, learning_rate=best), workdirs[best], target, most_epochs)
        curves[label] = smoothed(history(workdirs[best], "train"), SPAN)
        last = history(workdirs[best], "validation")[-1]
        rows.append(
            {
                "variant": label, "learning_rate": best, "epochs_to_target": reached,
                "epochs_trained": round(last.epoch, 2), "training_error": curves[label][-1].error,
                "validation_error": last.error,
                **tried,
            }
        )  # fmt: skip
    finding = _finding(rows, target)
    return Outcome(rows, finding, lambda figure: experiment_plots.race(figure, curves, rows, target))


def _search(recipe, workdirs, search):
    """The best rate, and {`rates_after_N_steps`: the training error at each, as text}."""
    rates, tried = list(workdirs), {}
    for steps, kept in search:
        errors = {rate: _searched(recipe, rate, workdirs[rate], steps) for rate in rates}
        shown = (f"{rate:g}: {percent(error, 1)}" for rate, error in errors.items())
        tried[f"rates_after_{steps}_steps"] = ", ".join(shown)
        rates = sorted(sorted(errors, key=errors.get)[:kept])
    return rates[0], tried


def _searched(recipe, rate, workdir, steps):
    """The training error of the last third of a short run; infinite if its loss did not stay finite."""
    try:
        train(dataclasses.replace(recipe, learning_rate=rate, steps=steps), workdir)
    except FloatingPointError:
        return math.inf
    return float(np.mean([point.error for point in history(workdir, "train") if 2 / 3 * steps < point.step <= steps]))


def _run_on(recipe, workdir, target, most_epochs):
    """Trains on, epoch by epoch, until the error is reached; returns the epochs that it took, or None."""
    for epochs in range(1, most_epochs + 1):
        train(dataclasses.replace(recipe, epochs=epochs, steps=None), workdir)
        for point in smoothed(history(workdir, "train"), SPAN):
            if point.error <= target:
                return point.epoch
    return None


def _finding(rows, target):
    searched = "Each at the rate that had the lowest training error in the search. "
    fast, slow = rows
    if None in (fast["epochs_to_target"], slow["epochs_to_target"]):
        return searched + "; ".join(_state(row, target) for row in rows) + "."
    ratio = slow["epochs_to_target"] / fast["epochs_to_target"]
    return (
        f"{searched}{percent(target, 0)} training error (mean of half an epoch) took {fast['variant']} "
        f"{fast['epochs_to_target']:.1f} epochs and {slow['variant']} {slow['epochs_to_target']:.1f}: "
        f"{ratio:.1f} times as many."
    )


def _state(row, target):
    if row["epochs_to_target"] is None:
        error = percent(row["training_error"], 1)
        return f"{row['variant']} was still at {error} after {row['epochs_trained']:g} epochs"
    return f"{row['variant']} reached {percent(target, 0)} training error after {row['epochs_to_target']:.1f} epochs"
