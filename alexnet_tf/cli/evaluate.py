"""Measures a run's top-1 and top-5 error.

alexnet-tf evaluate --workdir=DIR --views=10
"""

import dataclasses
import json

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.evaluation.evaluate import Evaluator
from alexnet_tf.training.progress import Progress
from alexnet_tf.training.runs import load_run

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "directory of the run", required=True)
flags.DEFINE_string("dataset", None, "another dataset of the same classes; its validation part is used")
flags.DEFINE_bool("best", False, "the checkpoint with the lowest validation error instead of the newest")
flags.DEFINE_integer("views", 1, "1: the centre; 10: corners, centre and their mirror images")
flags.DEFINE_integer("batch_size", 64, "images at a time", lower_bound=1)
flags.DEFINE_bool("json", False, "print JSON")


def main(argv):
    """Evaluates and prints the result."""
    common.no_arguments(argv)
    if FLAGS.views not in (1, 10):
        raise ValueError(f"views must be 1 or 10. Received: views={FLAGS.views}")
    run = load_run(FLAGS.workdir, FLAGS.best)
    dataset = open_dataset(FLAGS.dataset, run.recipe.seed) if FLAGS.dataset else run.dataset
    if dataset.class_names != run.class_names:
        raise ValueError(
            f"dataset must have the {len(run.class_names)} classes of the run. Received: {dataset.name!r} with "
            f"{len(dataset.class_names)} classes, {', '.join(dataset.class_names[:5])} …"
        )
    progress = Progress("evaluating", dataset.validation.count)
    classes = len(run.class_names)
    evaluate = Evaluator(run.model, classes, run.geometry, run.mean, FLAGS.batch_size, FLAGS.views)
    result = evaluate(dataset.validation, lambda count, wishes: progress.update(count))
    if FLAGS.json:
        print(json.dumps(dataclasses.asdict(result)))
    else:
        print(
            f"top-1 error {result.top1_error:.2%}, top-5 error {result.top5_error:.2%}, loss {result.loss:.4f}, "
            f"{result.examples} images, {result.views} view(s)"
        )


if __name__ == "__main__":
    common.run(main)
