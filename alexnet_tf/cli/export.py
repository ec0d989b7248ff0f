"""Exports a network as SavedModel, TFLite or ONNX, and compares each format with the Keras model on images.

alexnet-tf export --model=DIR --out=DIR

The images are from the run's dataset, or from --dataset. Without either, they are generated shapes, which are enough to
find faults of a conversion; tflite_full_int8 needs real images.
"""

import numpy as np
import numpy.typing as npt
from absl import flags

from alexnet_tf.cli import common, model_flags
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.parts import open_part
from alexnet_tf.data.sources import Dataset
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.evaluator import check_classes, has_classes
from alexnet_tf.exporting.accuracy import IMAGES, SECONDS, Sample
from alexnet_tf.exporting.export import check_export, export
from alexnet_tf.exporting.formats import DEFAULT_FORMATS, FORMATS
from alexnet_tf.runs.opening import Opened
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.samples import sample_images

PARITY_IMAGES, CALIBRATION_IMAGES = 32, 100
DRAWN = "builtin:shapes"

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, model_flags.KERAS_MODEL, required=True)
flags.DEFINE_string("out", None, "directory to write; an export that is there is replaced", required=True)
flags.DEFINE_string(
    "dataset", None, "dataset with images to compare on; with the classes of the network, errors are measured too"
)
flags.DEFINE_list("formats", list(DEFAULT_FORMATS), f"some of {', '.join(FORMATS)}")
flags.DEFINE_integer(
    "evaluate", None,
    "number of images of the validation set on which to measure top-1 and top-5 error of each format, 0 for none; if "
    f"not given: {IMAGES:,}, or as many as take {SECONDS:.0f} seconds",
    lower_bound=0,
)  # fmt: skip
flags.DEFINE_bool("ten_views", False, "add a signature to the SavedModel that averages the paper's ten views")
flags.adopt_module_key_flags(model_flags)

DEFAULTS = {"dataset": "the run's; generated shapes if there is no run"}


def main(argv: list[str]) -> None:
    """Exports and prints the comparison of each format."""
    common.no_arguments(argv)
    check_export(FLAGS.out, FLAGS.formats)
    opened = model_flags.opened()
    predictor, calibrates = opened.keras_predictor, "tflite_full_int8" in FLAGS.formats
    # None for the images of the run.
    dataset = FLAGS.dataset or (None if opened.run else DRAWN)
    if calibrates and dataset == DRAWN:
        raise UserError(f"dataset must name real images to calibrate tflite_full_int8, got {DRAWN}")
    found = open_part(dataset, None, 0)[0] if dataset else None
    images = _images(opened, found, "validation", PARITY_IMAGES)
    training = open_dataset(dataset) if dataset and calibrates else None
    calibration = _images(opened, training, "train", CALIBRATION_IMAGES) if calibrates else None
    about = {**opened.about, **({"compared on": dataset} if dataset else {})}
    rows = export(
        predictor, FLAGS.out, FLAGS.formats, images=images, calibration=calibration, ten_views=FLAGS.ten_views,
        about=about, sample=_sample(opened, found),
    )  # fmt: skip
    common.print_parity(rows)
    if dataset == DRAWN:
        print(f"compared on {len(images)} generated shapes; to compare on photographs, add --dataset=folder:PHOTOS")


def _images(opened: Opened, dataset: Dataset | None, part: str, count: int) -> npt.NDArray[np.uint8]:
    """Images to compare on or calibrate with, of a part of a dataset or of the run's."""
    if dataset is None:
        assert opened.run
        return opened.run.images(part, count)
    split, classes = getattr(dataset, part), len(dataset.class_names)
    return sample_images(split, classes, opened.predictor.preprocessing, count, seed=0)


def _sample(opened: Opened, dataset: Dataset | None) -> Sample | None:
    """Labeled images to measure errors on; None if that is not wanted, or not possible with the dataset's classes."""
    if FLAGS.evaluate == 0:
        return None
    if dataset is None:
        assert opened.run
        split = opened.run.dataset.validation
    else:
        if FLAGS.evaluate is None and not has_classes(opened.predictor, dataset):
            return None
        check_classes(opened.predictor, dataset)
        split = dataset.validation
    images = min(FLAGS.evaluate or IMAGES, split.count)
    progress = Progress("measuring errors", images).update
    return Sample(split, images, None if FLAGS.evaluate else SECONDS, progress)


if __name__ == "__main__":
    common.run(main)
