"""Measures the top-1 and top-5 error of a run, or of the mean of several networks.

alexnet-tf evaluate --workdir=DIR --views=10
alexnet-tf evaluate --workdir=DIR,DIR,DIR --ensemble_weights=search
"""

import dataclasses
import json
import pathlib

import numpy as np
from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.cli.startup import tf
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.evaluation import ensembles
from alexnet_tf.evaluation.evaluator import Evaluator
from alexnet_tf.inference.runners import open_runner, saved_model_of
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import is_run, load_run

SEARCH = "search"
# Which images these hold out does not depend on a seed.
FIXED_PARTS = ("records:", "tfds:")

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "workdir", None, "directory of the run; several, or exports, with commas between: the mean of all", required=True
)
flags.DEFINE_string("dataset", None, "another dataset of the same classes; its validation part is used")
flags.DEFINE_bool("best", False, "the checkpoint with the lowest validation error instead of the newest")
flags.DEFINE_integer("views", 1, "1: the center; 10: corners, center and their mirror images")
flags.DEFINE_integer("batch_size", 64, "images at a time", lower_bound=1)
flags.DEFINE_string(
    "ensemble_weights", None,
    f"of several networks: one number each, with commas between; or {SEARCH}: found on every second image, and "
    "measured on the others; equal if not given",
)  # fmt: skip
flags.DEFINE_bool("json", False, "print JSON")


def main(argv):
    """Evaluates and prints the result."""
    common.no_arguments(argv)
    if FLAGS.views not in (1, 10):
        raise ValueError(f"views must be 1 or 10. Received: views={FLAGS.views}")
    paths = [FLAGS.workdir] if is_run(FLAGS.workdir) else FLAGS.workdir.split(",")
    weights = _weights(FLAGS.ensemble_weights, len(paths))
    if is_run(paths[0]) and len(paths) == 1:
        _evaluate_one(paths[0])
    else:
        _evaluate_several(paths, weights)


def _evaluate_one(path):
    run = load_run(path, FLAGS.best)
    dataset = _dataset([run], run.class_names)
    progress = Progress("evaluating", dataset.validation.count)
    classes = len(run.class_names)
    evaluate = Evaluator(run.model, classes, run.resize_crop, run.mean, FLAGS.batch_size, FLAGS.views)
    result = evaluate(dataset.validation, lambda count, stop_requested: progress.update(count))
    print(json.dumps(dataclasses.asdict(result)) if FLAGS.json else _line(result))


def _evaluate_several(paths, weights):
    """Prints each network's errors and, where there are several, those of their mean."""
    runs = {path: load_run(path, FLAGS.best) for path in paths if is_run(path)}
    members = [ensembles.member_of(runs[path]) if path in runs else _exported(path) for path in paths]
    ensembles.check(members)
    split = _dataset(list(runs.values()), members[0].class_names).validation
    progress = Progress("evaluating", split.count)
    predictions = ensembles.predict(members, split, FLAGS.batch_size, FLAGS.views, progress.update)
    if weights == SEARCH:
        weights = ensembles.searched_weights(predictions.part(slice(0, None, 2))).tolist()
        predictions = predictions.part(slice(1, None, 2))
    alone = [predictions.result(row) for row in np.eye(len(members))]
    mean, equal = predictions.result(weights), predictions.result(np.ones(len(members)))
    if FLAGS.json:
        rows = [
            {"network": member.name, "weight": weight, **dataclasses.asdict(result)}
            for member, weight, result in zip(members, weights, alone, strict=True)
        ]
        print(json.dumps({"networks": rows, "mean": dataclasses.asdict(mean), "equal": dataclasses.asdict(equal)}))
        return
    for member, result in zip(members, alone, strict=True):
        print(f"{member.name}: {_line(result)}")
    if len(members) == 1:
        return
    print(f"mean with equal weights: {_line(equal)}")
    if FLAGS.ensemble_weights:
        print(f"mean with weights {', '.join(f'{weight:.3g}' for weight in weights)}: {_line(mean)}")


def _line(result):
    return (
        f"top-1 error {result.top1_error:.2%}, top-5 error {result.top5_error:.2%}, loss {result.loss:.4f}, "
        f"{common.counted(result.examples, 'image')}, {common.counted(result.views, 'view')}"
    )


def _weights(text, networks):
    """The flag's weights as a list that is checked, or `SEARCH`."""
    if text is None:
        return [1 / networks] * networks
    if networks < 2:
        raise ValueError(f"ensemble_weights need several networks in workdir. Received: ensemble_weights={text!r}")
    if text == SEARCH:
        return SEARCH
    try:
        weights = [float(number) for number in text.split(",")]
    except ValueError:
        weights = []
    if len(weights) != networks or not all(0 <= weight < np.inf for weight in weights) or not sum(weights):
        raise ValueError(
            f"ensemble_weights must be {SEARCH}, or {networks} numbers of at least 0 that are not all 0. "
            f"Received: ensemble_weights={text!r}"
        )
    return weights


def _exported(path):
    """The `Member` of an export, any of its formats, image by image."""
    if not pathlib.Path(path).is_file() and not saved_model_of(path):
        raise ValueError(f"workdir must hold a run of alexnet-tf train, or be an export. Received: workdir={path!r}")
    runner = open_runner(path)

    def classify(images):
        return np.stack([runner.classify_pixels(image) for image in images])

    def probabilities(pixels):
        found = tf.numpy_function(classify, [pixels], tf.float32)
        return tf.ensure_shape(found, [None, len(runner.class_names)])

    return ensembles.Member(path, runner.class_names, ResizeCrop(runner.resize, runner.crop), probabilities)


def _dataset(runs, class_names):
    """The dataset to measure on: the flag's, or the runs' own."""
    if FLAGS.dataset:
        dataset = open_dataset(FLAGS.dataset, runs[0].recipe.dataset_seed if runs else 0)
    else:
        dataset = _own(runs)
    if dataset.class_names != class_names:
        raise ValueError(
            f"dataset must have the {len(class_names)} classes of the run. Received: {dataset.name!r} with "
            f"{len(dataset.class_names)} classes, {', '.join(dataset.class_names[:5])} …"
        )
    return dataset


def _own(runs):
    """The dataset of all runs; what one has held out, another must not have been trained on."""
    if not runs:
        raise ValueError("dataset must be given where workdir names exports only. Received: none")
    for run in runs:
        if not _hold_out_alike(run, runs[0]):
            raise ValueError(
                "workdir must name runs that hold out the same images; give dataset for images that none was trained "
                f"on. Received: {_origin(runs[0])}, {_origin(run)}"
            )
    return runs[0].dataset


def _hold_out_alike(run, other):
    if run.recipe.dataset != other.recipe.dataset:
        return False
    if run.recipe.dataset_seed == other.recipe.dataset_seed or run.recipe.dataset.startswith(FIXED_PARTS):
        return True
    # Where a set has a validation part of its own, the seed has no say.
    names = run.dataset.validation.names
    return names is not None and names == other.dataset.validation.names


def _origin(run):
    return f"{str(run.workdir)!r} with {run.recipe.dataset} and data seed {run.recipe.dataset_seed}"


if __name__ == "__main__":
    common.run(main)
