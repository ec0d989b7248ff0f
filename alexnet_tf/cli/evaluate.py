"""Measures top-1 and top-5 error of a network, or of the mean of several networks.

alexnet-tf evaluate --model=DIR --views=10
alexnet-tf evaluate --model=DIR,DIR,DIR --ensemble_weights=search
alexnet-tf evaluate --model=imagenet --dataset=folder:imagenet/val
"""

import dataclasses
import json
import sys

from absl import flags

from alexnet_tf.cli import common, model_flags
from alexnet_tf.data.file_split import NAMED
from alexnet_tf.data.parts import PARTS
from alexnet_tf.data.sources import Dataset
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.ensembles import SEARCH, EnsembleMetrics
from alexnet_tf.evaluation.metrics import Metrics
from alexnet_tf.evaluation.networks import evaluate_paths
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import is_run

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, f"{model_flags.MODEL}. Several separated by commas form an ensemble", required=True)
flags.DEFINE_string("dataset", None, "dataset with the same classes to evaluate on instead of the run's own")
flags.DEFINE_enum(
    "part", None, PARTS,
    "part of the dataset; by default the validation set if it has one or a run was trained on it, otherwise all",
)  # fmt: skip
flags.DEFINE_integer("views", 1, "1: the central crop; 10: corners, center and their mirror images, averaged")
flags.DEFINE_integer("batch_size", 64, "images at a time", lower_bound=1)
flags.DEFINE_string(
    "ensemble_weights", None,
    f"weights of the networks of an ensemble, separated by commas, or {SEARCH}: find them on every second image and "
    "evaluate on the others; equal if not given",
)  # fmt: skip
flags.DEFINE_bool("json", False, "print JSON")
flags.adopt_module_key_flags(model_flags)


def main(argv: list[str]) -> None:
    """Evaluates and prints the metrics."""
    common.no_arguments(argv)
    paths = [FLAGS.model] if is_run(FLAGS.model) else FLAGS.model.split(",")
    announced: list[tuple[Dataset, str]] = []
    metrics = evaluate_paths(
        paths, FLAGS.dataset, FLAGS.best, _weights(FLAGS.ensemble_weights), FLAGS.batch_size, FLAGS.views,
        lambda total: Progress("evaluating", total).update, FLAGS.part, lambda *data: announced.append(data),
        FLAGS.preset, FLAGS.labels,
    )  # fmt: skip
    ((dataset, taken),) = announced
    _report_skipped(dataset)
    if FLAGS.json:
        print(json.dumps({"data": taken, **_json(metrics)}))
    elif isinstance(metrics, Metrics):
        print(f"{_line(metrics)}: {common.printable(taken)}")
    else:
        print(f"on {common.printable(taken)}:")
        _print_ensemble(metrics)


def _report_skipped(dataset: Dataset) -> None:
    """Names on stderr what could not be read."""
    skipped = sorted(dataset.validation.skipped | {name for name, _ in dataset.ignored})
    if skipped:
        names = common.printable(", ".join(skipped[:NAMED]))
        print(f"{common.counted(len(skipped), 'file')} skipped, not a readable image: {names}", file=sys.stderr)


def _weights(text: str | None) -> list[float] | str | None:
    if text in (None, SEARCH):
        return text
    try:
        return [float(number) for number in str(text).split(",")]
    except ValueError as error:
        raise UserError(f"ensemble_weights must be {SEARCH} or numbers separated by commas, got {text!r}") from error


def _json(metrics: Metrics | EnsembleMetrics) -> dict:
    if isinstance(metrics, Metrics):
        return dataclasses.asdict(metrics)
    networks = [
        {"network": name, "weight": weight, **dataclasses.asdict(alone)}
        for name, weight, alone in zip(metrics.names, metrics.weights, metrics.networks, strict=True)
    ]
    return {
        "networks": networks,
        "mean": dataclasses.asdict(metrics.mean),
        "equal": dataclasses.asdict(metrics.equal),
    }


def _print_ensemble(metrics: EnsembleMetrics) -> None:
    for name, alone in zip(metrics.names, metrics.networks, strict=True):
        print(f"{common.printable(name)}: {_line(alone)}")
    print(f"mean with equal weights: {_line(metrics.equal)}")
    if FLAGS.ensemble_weights:
        print(f"mean with weights {', '.join(f'{weight:.3g}' for weight in metrics.weights)}: {_line(metrics.mean)}")


def _line(metrics: Metrics) -> str:
    return (
        f"top-1 error {metrics.top1_error:.2%}, top-5 error {metrics.top5_error:.2%}, loss {metrics.loss:.4f}, "
        f"{common.counted(metrics.examples, 'image')}, {common.counted(metrics.views, 'view')}"
    )


if __name__ == "__main__":
    common.run(main)
