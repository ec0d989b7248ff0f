"""Writes a layer's output for image files or a whole dataset, for search, clustering and detectors.

alexnet-tf features --model=MODEL --layer=fc7 --out=features.npz photo.jpg …
"""

import pathlib
import sys

import tensorflow as tf
from absl import flags

from alexnet_tf.cli import common, model_flags
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.decoding import decode
from alexnet_tf.data.folder import files_split
from alexnet_tf.data.reasons import NOT_AN_IMAGE, reason
from alexnet_tf.data.sources import Split
from alexnet_tf.errors import UserError
from alexnet_tf.inference.features import check_suffix, write_features
from alexnet_tf.runs.progress import Progress

PARTS = ("all", "train", "validation")

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "model", None, f"directory of an export with a SavedModel; {model_flags.KERAS_MODEL}", required=True
)
flags.DEFINE_string(
    "layer", None, "pool5, fc7, logits or probabilities; except of an export, any layer (a wrong name lists them)"
)
flags.DEFINE_string("out", None, "file to write, *.npz or *.tfrecord; an existing file is replaced", required=True)
flags.DEFINE_string("dataset", None, "dataset to read instead of image files, named as for train")
flags.DEFINE_enum("part", "all", PARTS, "part of the dataset")
flags.DEFINE_integer(
    "seed", 0, "seed that picks the held-out images of a dataset without validation set", lower_bound=0
)
flags.adopt_module_key_flags(model_flags)

DEFAULTS = {"layer": "fc7, or the last layer before the logits"}


def main(argv: list[str]) -> int:
    """Writes the file; unreadable images are left out, reported on stderr, and make the exit code 1."""
    files = argv[1:]
    if bool(files) == bool(FLAGS.dataset):
        raise UserError(f"give either image files or --dataset, got {len(files)} files and dataset={FLAGS.dataset!r}")
    check_suffix(FLAGS.out)
    common.check_out(FLAGS.out)
    common.sigterm_as_ctrl_c()
    splits, class_names = _splits_of(FLAGS.dataset) if FLAGS.dataset else ({"file": files_split(files)}, None)
    predictor = model_flags.opened().predictor
    layer = FLAGS.layer or model_flags.default_layer(predictor)
    progress = Progress("features", sum(split.count for split in splits.values()))
    written = write_features(predictor, layer, splits, FLAGS.out, class_names, progress.update)
    for name in written.unreadable:
        why = _reason(name) if files else NOT_AN_IMAGE
        print(f"error: {common.printable(f'{name}: {why}')}", file=sys.stderr)
    shape = "x".join(map(str, written.shape))
    print(f"{FLAGS.out}: {common.counted(written.images, 'image')}, {layer} float32 {shape}")
    return 1 if written.unreadable else 0


def _splits_of(name: str) -> tuple[dict[str, Split], tuple[str, ...]]:
    dataset = open_dataset(name, FLAGS.seed)
    parts = PARTS[1:] if FLAGS.part == "all" else (FLAGS.part,)
    return {part: getattr(dataset, part) for part in parts}, dataset.class_names


def _reason(file: str) -> str:
    """Why a file could not be read as an image."""
    encoded = None
    try:
        encoded = pathlib.Path(file).read_bytes()
        decode(tf.constant(encoded))
    except (OSError, tf.errors.InvalidArgumentError) as error:
        return reason(error, encoded)
    return NOT_AN_IMAGE


if __name__ == "__main__":
    common.run(main)
