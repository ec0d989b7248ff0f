"""Repeats one of the paper's comparisons: trains its variants, prints a table and draws a plot.

alexnet-tf experiment NAME --quick

NAME is relu_vs_tanh, pooling, lrn, towers, dropout, color_noise, views or ensemble.
Run the same command again to resume an interrupted experiment.
"""

import sys

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.experiments import report
from alexnet_tf.experiments.catalog import get_experiment
from alexnet_tf.plotting import check_matplotlib
from alexnet_tf.training.interruption import Interrupted

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", None, "dataset, named as for train")
flags.DEFINE_bool("quick", False, "narrow networks and short runs on CIFAR-10, minutes on two CPU cores")
flags.DEFINE_string("out", None, "directory for runs and results; finished runs in it are kept")
flags.DEFINE_integer("seed", 0, "seed of all runs", lower_bound=0)

DEFAULTS = {
    "dataset": "CIFAR-10 or ImageNet, as in the paper",
    "out": "experiments/NAME, or with --quick experiments/NAME-quick",
}


def main(argv: list[str]) -> int | None:
    """Trains what is not trained yet, evaluates, and writes the results."""
    experiment = get_experiment(" ".join(argv[1:]))
    check_matplotlib("experiment")
    out = FLAGS.out or f"experiments/{experiment.name}{'-quick' if FLAGS.quick else ''}"
    plan = experiment.plan(out, FLAGS.dataset, FLAGS.quick, FLAGS.seed)
    try:
        outcome = plan.conduct()
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    print(report.write(plan, outcome))
    print(f"written: {plan.out}/results.md, results.tsv, results.json, {report.PLOT}")
    return None


if __name__ == "__main__":
    common.run(main)
