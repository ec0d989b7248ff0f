"""Exports the paper's network at full size, 1000 classes, in all formats, and compares each format with Keras.

The network is not trained. He's initialization makes the probabilities of all classes different, which is a harder
comparison than a trained network, whose top class has a probability far above the others.
"""

import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402

from alexnet_tf.cli import common, startup  # noqa: E402, F401 - before TensorFlow
from alexnet_tf.data import datasets, pipeline  # noqa: E402
from alexnet_tf.exporting.export import export  # noqa: E402
from alexnet_tf.exporting.formats import FORMATS, check_formats  # noqa: E402
from alexnet_tf.inference.keras_predictor import KerasPredictor  # noqa: E402
from alexnet_tf.inference.predictor import InputPreprocessing  # noqa: E402
from alexnet_tf.models.builder import AlexNet  # noqa: E402
from alexnet_tf.models.presets import get_preset  # noqa: E402

CLASSES, IMAGES, GRAY = 1000, 32, 120
# The standard deviation of a photograph's pixels is about this.
DEVIATION = 60


def main() -> None:
    """Exports into a temporary directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="builtin:shapes", help="dataset whose validation images are compared on")
    # Without training, no class is far more probable than the others, and 4 bits lose too much.
    default = ",".join(name for name in FORMATS if name != "tflite_int4")
    parser.add_argument("--formats", default=default, help="separated by commas")
    options = parser.parse_args()
    check_formats(options.formats.split(","))
    preset = get_preset("paper").changed(Conv={"kernel_init": "he"}, Dense={"kernel_init": "he"})
    model = AlexNet(preset, classes=CLASSES)
    first = model.get_layer("conv1").kernel
    first.assign(first / DEVIATION)
    sizes = InputPreprocessing(preset.preprocessing.resize, preset.input_size, np.full(3, GRAY, np.float32))
    predictor = KerasPredictor(preset.name, [f"class {number}" for number in range(CLASSES)], sizes, model)
    split = datasets.open_dataset(options.dataset, seed=0).validation
    images = next(pipeline.read_split(split, CLASSES, IMAGES, sizes)).images
    with tempfile.TemporaryDirectory() as out:
        common.print_parity(export(predictor, f"{out}/export", options.formats.split(","), images=images))


if __name__ == "__main__":
    main()
