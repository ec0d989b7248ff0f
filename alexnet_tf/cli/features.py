"""Writes a layer's output for image files or a whole dataset, for search, clustering and detectors.

alexnet-tf features --model=DIR --layer=fc7 --out=features.npz photo.jpg …
"""

import pathlib
import sys

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.folder import files_split
from alexnet_tf.inference import features
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import is_run, load_run

PARTS = ("all", "train", "validation")

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "a run's workdir, or an export with a SavedModel", required=True)
flags.DEFINE_string("layer", "fc7", "pool5, fc7, logits or probabilities; of a run any layer (a wrong name lists them)")
flags.DEFINE_string("out", None, "file to write, *.npz or *.tfrecord; a previous one is replaced", required=True)
flags.DEFINE_string("dataset", None, "a dataset instead of image files, as train takes it")
flags.DEFINE_enum("part", "all", PARTS, "of the dataset")
flags.DEFINE_integer("seed", 0, "picks what is held out where a dataset has no validation part", lower_bound=0)


def main(argv):
    """Writes the file; images that cannot be read are named on stderr, left out, and make the exit code 1."""
    files = argv[1:]
    if bool(files) == bool(FLAGS.dataset):
        given = f"{len(files)} files and dataset={FLAGS.dataset!r}"
        raise ValueError(f"either image files must be named, or --dataset. Received: {given}")
    features.check_suffix(FLAGS.out)
    common.check_out(FLAGS.out)
    common.sigterm_as_ctrl_c()
    splits, class_names = _splits_of(FLAGS.dataset) if FLAGS.dataset else ({"file": files_split(files)}, None)
    extractor = _extractor(FLAGS.model, FLAGS.layer)
    progress = Progress("features", sum(split.count for split in splits.values()))
    written, shape, skipped = features.extract(extractor, splits, FLAGS.out, class_names, progress.update)
    for name in skipped:
        print(f"error: {name}: {_reason(name) if files else common.NO_IMAGE}", file=sys.stderr)
    images = common.counted(written, "image")
    print(f"{FLAGS.out}: {images}, {FLAGS.layer} float32 {'x'.join(map(str, shape))}")
    return 1 if skipped else 0


def _splits_of(name):
    dataset = open_dataset(name, FLAGS.seed)
    parts = PARTS[1:] if FLAGS.part == "all" else (FLAGS.part,)
    return {part: getattr(dataset, part) for part in parts}, dataset.class_names


def _extractor(path, layer):
    if is_run(path):
        return features.classifier_extractor(common.classifier(load_run(path)), layer)
    return features.saved_model_extractor(path, layer)


def _reason(file):
    """Why a file could not be read as an image."""
    try:
        pathlib.Path(file).open("rb").close()
    except OSError as error:
        return error.strerror
    return common.NO_IMAGE


if __name__ == "__main__":
    common.run(main)
