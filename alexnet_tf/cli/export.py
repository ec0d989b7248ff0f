"""Exports a run as a SavedModel, TFLite files or ONNX, each compared with the Keras model on real images.

alexnet-tf export --workdir=DIR --out=DIR
"""

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.exporting.export import check, export
from alexnet_tf.exporting.formats import DEFAULT_FORMATS, FORMATS, Options
from alexnet_tf.runs.run import load_run

PARITY_IMAGES, CALIBRATION_IMAGES = 32, 100

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "directory of the run", required=True)
flags.DEFINE_string("out", None, "directory to write; a previous export there is replaced", required=True)
flags.DEFINE_bool("best", False, "the checkpoint with the lowest validation error instead of the newest")
flags.DEFINE_list("formats", list(DEFAULT_FORMATS), f"some of {', '.join(FORMATS)}")
flags.DEFINE_bool("ten_views", False, "add a signature to the SavedModel that averages the paper's ten views")


def main(argv):
    """Exports and prints what each format's comparison found."""
    common.no_arguments(argv)
    check(FLAGS.out, FLAGS.formats)
    run = load_run(FLAGS.workdir, FLAGS.best)
    images = run.images("validation", PARITY_IMAGES)
    calibration = run.images("train", CALIBRATION_IMAGES) if "tflite_full_int8" in FLAGS.formats else ()
    options = Options(FLAGS.ten_views, calibration)
    rows = export(common.classifier(run), FLAGS.out, FLAGS.formats, images, run.recipe.preset, options, run.about)
    common.print_parity(rows)


if __name__ == "__main__":
    common.run(main)
