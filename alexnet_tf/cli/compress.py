"""Makes a smaller network of a run, or resumes that.

alexnet-tf compress --workdir=RUN --out=SMALLER

Large dense layers become products of low rank, projected on what the network computes for training images, and the
smaller network learns from the larger one. SMALLER is a run like any other. To resume, rerun the same command.
"""

import sys

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.compression.compress import compress
from alexnet_tf.training.interruption import Interrupted

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "directory of the finished run to compress", required=True)
flags.DEFINE_string("out", None, "directory of the smaller network's run, which is resumed if it exists", required=True)
flags.DEFINE_float("target_mb", 4.0, "largest size of its tflite_int4 file, in millions of bytes", lower_bound=0)
flags.DEFINE_float("max_loss", 0.01, "largest rise of the top-1 error, as a fraction; above it, the exit code is 1")
flags.DEFINE_integer("epochs", None, "passes of the fine-tuning over the training set", lower_bound=1)

DEFAULTS = {"epochs": "a tenth of the run's steps, at least 100"}


def main(argv: list[str]) -> int:
    """Compresses and prints size, cost and errors before and after; returns the exit code."""
    common.no_arguments(argv)
    try:
        report = compress(FLAGS.workdir, FLAGS.out, FLAGS.target_mb, FLAGS.epochs)
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    print(report.table())
    if report.loss > FLAGS.max_loss:
        print(
            f"error: the top-1 error rose by {report.loss:.2%}, more than max_loss={FLAGS.max_loss:g}; the run in "
            f"{FLAGS.out} is kept. Try a larger target_mb or more epochs",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    common.run(main)
