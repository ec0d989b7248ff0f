"""Makes a dataset of image files small, once, so that training only reads and crops.

alexnet-tf prepare --dataset=folder:photos --out=DIR
"""

import pathlib
import sys

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.cli.startup import tf  # noqa: F401
from alexnet_tf.data import records
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.file_split import NAMED
from alexnet_tf.data.prepare import Form, prepare
from alexnet_tf.runs.progress import Progress

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", None, "folder:PATH, tar:PATH (e.g. ImageNet's files) or tfds:NAME", required=True)
flags.DEFINE_string("out", None, "directory to write; one that was interrupted is continued", required=True)
flags.DEFINE_integer("size", Form.size, "pixels of the shorter side")
flags.DEFINE_bool("square", Form.square, "keep the central square only, which is all that training uses")
flags.DEFINE_enum("format", Form.format, records.FORMATS, "raw is larger and several times as fast to read")
flags.DEFINE_integer("quality", Form.quality, "of JPEG, 1 to 100")
flags.DEFINE_integer("shard_size", Form.shard_size, "images a file")
flags.DEFINE_integer("workers", None, "threads; as many as processors if not given", lower_bound=1)
flags.DEFINE_integer("seed", 0, "picks what is held out where a set has no validation part", lower_bound=0)


def main(argv):
    """Prepares and reports."""
    common.no_arguments(argv)
    common.sigterm_as_ctrl_c()
    form = Form(FLAGS.size, FLAGS.square, FLAGS.format, FLAGS.quality, FLAGS.shard_size)
    dataset = open_dataset(FLAGS.dataset, FLAGS.seed)
    progress = Progress("preparing", dataset.train.count + dataset.validation.count)
    try:
        description = prepare(
            dataset, FLAGS.out, form, FLAGS.workers, lambda done, bad: progress.update(done, f"{bad} skipped")
        )
    except KeyboardInterrupt as interruption:
        return common.interrupted(interruption, "; the same command goes on")
    for name, split in description["splits"].items():
        images, shards = common.counted(split["count"], "image"), common.counted(len(split["shards"]), "shard")
        print(f"{name}: {images}, {split['skipped']:,} skipped, {shards}")
    _report_skipped(pathlib.Path(FLAGS.out) / records.SKIPPED)
    print(f"use: --dataset=records:{FLAGS.out}")


def _report_skipped(file):
    lines = file.read_text().splitlines()
    for line in lines[:NAMED]:
        _, name, reason = line.split("\t")
        print(f"skipped {name}: {reason}", file=sys.stderr)
    if len(lines) > NAMED:
        print(f"… and {len(lines) - NAMED} more, in {file}", file=sys.stderr)


if __name__ == "__main__":
    common.run(main)
