"""Ways to conduct an experiment: variants side by side, one network over more views, and several networks' mean."""

import dataclasses
import functools
import math

from alexnet_tf.evaluation import ensembles
from alexnet_tf.evaluation.evaluator import Evaluator
from alexnet_tf.experiments.experiment import Outcome, percent, train
from alexnet_tf.experiments.history import history, smoothed
from alexnet_tf.plotting import experiment_plots
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import load_run


def compare(plan):
    """Trains every variant and measures it on the held-out images; returns the `Outcome`."""
    rows, curves = [], {}
    for label, recipe in plan.variants.items():
        workdir = plan.workdir(label)
        train(recipe, workdir)
        run = load_run(workdir)
        training, validation = history(workdir, "train"), history(workdir, "validation")
        curves[label] = smoothed(training, validation[0].epoch), validation
        training_error = smoothed(training, training[-1].epoch / 10)[-1].error
        rows.append(
            {
                "variant": label, "weights": run.model.count_params(), **_errors(_evaluate(run, 1)),
                "training_error": training_error, "images": run.dataset.validation.count,
            }
        )  # fmt: skip
    return Outcome(rows, _compared(rows), functools.partial(experiment_plots.curves, by_label=curves))


def compare_views(plan):
    """Trains one network and measures it over one and over ten views; returns the `Outcome`."""
    ((label, recipe),) = plan.variants.items()
    train(recipe, plan.workdir(label))
    run = load_run(plan.workdir(label))
    rows = []
    for views in (1, 10):
        result = _evaluate(run, views)
        name = "1 view" if views == 1 else f"{views} views"
        rows.append({"variant": name, **_errors(result), "images": result.examples})
    return Outcome(rows, _compared(rows), functools.partial(experiment_plots.errors, rows=rows))


def average(plan, networks):
    """Trains networks that differ in their seed alone, and averages the first 1, 2, … of them.

    Args:
        plan: `Plan` with one variant.
        networks: how many.

    Returns:
        `Outcome`.
    """
    ((_, recipe),) = plan.variants.items()
    members = []
    for number in range(networks):
        # The data keep the plan's seed: what is held out must be held out from all of them.
        seeded = dataclasses.replace(recipe, seed=recipe.seed + number)
        workdir = plan.workdir(f"seed {seeded.seed}")
        train(seeded, workdir)
        members.append(workdir)
    runs = [load_run(workdir) for workdir in members]
    split = runs[0].dataset.validation
    progress = Progress("averaging", split.count)
    predictions = ensembles.predict([ensembles.member_of(run) for run in runs], split, progress=progress.update)
    rows = []
    for number, workdir in enumerate(members):
        alone = [float(number == other) for other in range(networks)]
        rows.append({"variant": workdir.name, **_errors(predictions.result(alone)), "images": len(predictions.labels)})
    for count in range(2, networks + 1):
        result = predictions.result([1.0] * count + [0.0] * (networks - count))
        rows.append({"variant": f"mean of {count}", **_errors(result), "images": result.examples})
    return Outcome(
        rows, _averaged(rows, networks), functools.partial(experiment_plots.ensemble, rows=rows, networks=networks)
    )


def _evaluate(run, views):
    """The `Result` of a run on its own held-out images."""
    split = run.dataset.validation
    progress = Progress(f"evaluating {run.workdir.name}", split.count)
    evaluate = Evaluator(run.model, len(run.class_names), run.resize_crop, run.mean, views=views)
    return evaluate(split, lambda count, stop_requested: progress.update(count))


def _errors(result):
    return {"top1_error": result.top1_error, "top5_error": result.top5_error, "loss": result.loss}


def chance(one, other, images):
    """Two standard errors of the difference of two errors, each of as many images: what chance alone may do."""
    return 2 * math.sqrt((one * (1 - one) + other * (1 - other)) / images)


def _compared(rows):
    """Each variant's error against the first's, in sentences."""
    first, *others = rows
    parts = [f"Top-1 error on {first['images']:,} held-out images: {first['variant']} {percent(first['top1_error'])}"]
    for row in others:
        difference = row["top1_error"] - first["top1_error"]
        bound = chance(first["top1_error"], row["top1_error"], row["images"])
        parts.append(
            f"{row['variant']} {percent(row['top1_error'])}, {100 * abs(difference):.2f} points "
            f"{'more' if difference > 0 else 'less'}, which is {'more than' if abs(difference) > bound else 'within'} "
            f"what the choice of so few images explains ({100 * bound:.2f} points, two standard errors)"
        )
    return "; ".join(parts) + ". One seed: another start would move each of them too."


def _averaged(rows, networks):
    """What averaging did, in a sentence."""
    alone = [row["top1_error"] for row in rows[:networks]]
    mean, together = sum(alone) / networks, rows[-1]["top1_error"]
    return (
        f"Of {rows[0]['images']:,} held-out images {networks} networks alone get {percent(min(alone))} to "
        f"{percent(max(alone))} wrong, {percent(mean)} on average; the mean of their probabilities "
        f"{percent(together)}, {100 * (mean - together):.2f} points less. They differ in their seed alone: "
        "weights, order and crops."
    )
