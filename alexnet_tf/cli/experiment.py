"""Repeats one of the paper's comparisons: trains its variants, prints a table, draws a plot.

NAME is relu_vs_tanh, pooling, lrn, towers, dropout, color_noise, views or ensemble.

alexnet-tf experiment NAME --quick
"""

import sys

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.experiments import report
from alexnet_tf.experiments.catalog import get_experiment
from alexnet_tf.plotting import check_matplotlib
from alexnet_tf.training.interruption import Interrupted

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", None, "as for train; CIFAR-10 (tfds:cifar10) or ImageNet if not given")
flags.DEFINE_bool("quick", False, "small enough for minutes on two CPU cores")
flags.DEFINE_string(
    "out", None,
    "directory for all of it; what is in it is continued. experiments/NAME if not given, with --quick NAME-quick",
)  # fmt: skip
flags.DEFINE_integer("seed", 0, "of all runs", lower_bound=0)


def main(argv):
    """Trains what is not trained yet, measures, and writes the results."""
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


if __name__ == "__main__":
    common.run(main)
