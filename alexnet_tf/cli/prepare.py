"""Resizes the images of a dataset once, so that training only reads and crops.

alexnet-tf prepare --dataset=folder:photos --out=DIR
"""

import pathlib
import sys

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.data import description, records
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.file_split import NAMED
from alexnet_tf.data.prepare import prepare
from alexnet_tf.data.prepare_options import PrepareOptions
from alexnet_tf.runs.progress import Progress

DEFAULTS = {"workers": "one per processor"}

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", None, "folder:PATH, tar:PATH (e.g. ImageNet's files) or tfds:NAME", required=True)
flags.DEFINE_string(
    "out", None, "directory to write; rerun the same command to resume an interrupted preparation", required=True
)
flags.DEFINE_integer("size", PrepareOptions.size, "shorter side of the images in pixels")
flags.DEFINE_bool("square", PrepareOptions.square, "store only the central square, which is all that training uses")
flags.DEFINE_enum(
    "format", PrepareOptions.format, description.FORMATS, "raw is larger, and several times as fast to read"
)
flags.DEFINE_integer("quality", PrepareOptions.quality, "JPEG quality, 1 to 100")
flags.DEFINE_integer("shard_size", PrepareOptions.shard_size, "images per file")
flags.DEFINE_integer("workers", None, "number of threads", lower_bound=1)
flags.DEFINE_integer(
    "seed", 0, "seed that picks the held-out images of a dataset without validation set", lower_bound=0
)


def main(argv: list[str]) -> int | None:
    """Prepares the dataset and prints the counts."""
    common.no_arguments(argv)
    common.sigterm_as_ctrl_c()
    options = PrepareOptions(FLAGS.size, FLAGS.square, FLAGS.format, FLAGS.quality, FLAGS.shard_size)
    dataset = open_dataset(FLAGS.dataset, FLAGS.seed)
    progress = Progress("preparing", dataset.train.count + dataset.validation.count)
    try:
        fields = prepare(
            dataset, FLAGS.out, options, FLAGS.workers, lambda done, bad: progress.update(done, f"{bad} skipped")
        )
    except KeyboardInterrupt as interruption:
        return common.interrupted(interruption, ". Rerun the same command to resume.")
    for name, split in fields["splits"].items():
        images, shards = common.counted(split["count"], "image"), common.counted(len(split["shards"]), "shard")
        print(f"{name}: {images}, {split['skipped']:,} skipped, {shards}")
    _report_skipped(pathlib.Path(FLAGS.out) / records.SKIPPED)
    print(f"use: --dataset=records:{FLAGS.out}")
    return None


def _report_skipped(file: pathlib.Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    for line in lines[:NAMED]:
        _, name, reason = line.split("\t")
        print(f"skipped {common.printable(f'{name}: {reason}')}", file=sys.stderr)
    if len(lines) > NAMED:
        print(f"… and {len(lines) - NAMED} more, listed in {file}", file=sys.stderr)


if __name__ == "__main__":
    common.run(main)
