"""Exports a run as SavedModel, TFLite or ONNX, and compares each format with the Keras model on real images.

alexnet-tf export --workdir=DIR --out=DIR
"""

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.exporting.accuracy import IMAGES, SECONDS, Sample
from alexnet_tf.exporting.export import check_export, export
from alexnet_tf.exporting.formats import DEFAULT_FORMATS, FORMATS
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import Run, load_run

PARITY_IMAGES, CALIBRATION_IMAGES = 32, 100

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "workdir of the run", required=True)
flags.DEFINE_string("out", None, "directory to write; an export that is there is replaced", required=True)
flags.DEFINE_bool("best", False, "use the checkpoint with the lowest validation error instead of the newest")
flags.DEFINE_list("formats", list(DEFAULT_FORMATS), f"some of {', '.join(FORMATS)}")
flags.DEFINE_integer(
    "evaluate", None,
    "number of validation images on which to measure top-1 and top-5 error of each format, 0 for none; if not given: "
    f"{IMAGES:,}, or as many as take {SECONDS:.0f} seconds",
    lower_bound=0,
)  # fmt: skip
flags.DEFINE_bool("ten_views", False, "add a signature to the SavedModel that averages the paper's ten views")


def main(argv: list[str]) -> None:
    """Exports and prints the comparison of each format."""
    common.no_arguments(argv)
    check_export(FLAGS.out, FLAGS.formats)
    run = load_run(FLAGS.workdir, FLAGS.best)
    calibration = run.images("train", CALIBRATION_IMAGES) if "tflite_full_int8" in FLAGS.formats else None
    rows = export(
        run.predictor(), FLAGS.out, FLAGS.formats, images=run.images("validation", PARITY_IMAGES),
        calibration=calibration, ten_views=FLAGS.ten_views, about=run.about, sample=_sample(run, FLAGS.evaluate),
    )  # fmt: skip
    common.print_parity(rows)


def _sample(run: Run, count: int | None) -> Sample | None:
    """Validation images for `--evaluate`; without a number, as many as there is time for."""
    if count == 0:
        return None
    split = run.dataset.validation
    images = min(count or IMAGES, split.count)
    progress = Progress("measuring errors", images).update
    return Sample(split, images, None if count else SECONDS, progress)


if __name__ == "__main__":
    common.run(main)
