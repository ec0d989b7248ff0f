"""Exports the paper's network at full size, 1000 classes, in every format, and prints how each compares.

The weights are fresh, of He's start, with which every class gets a probability of its own: a harder comparison than a
trained network's, whose first label stands far above the others.
"""

import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf.cli import common  # noqa: E402
from alexnet_tf.data import datasets, pipeline  # noqa: E402
from alexnet_tf.data.images import ResizeCrop  # noqa: E402
from alexnet_tf.exporting.export import export  # noqa: E402
from alexnet_tf.exporting.formats import FORMATS  # noqa: E402
from alexnet_tf.inference.predictor import Classifier  # noqa: E402
from alexnet_tf.models.builder import AlexNet  # noqa: E402
from alexnet_tf.models.presets import get_preset  # noqa: E402

CLASSES, IMAGES, GRAY = 1000, 32, 120.0
# A photograph's pixels vary by about this much round their mean.
DEVIATION = 60


def main():
    """Exports into a temporary directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="builtin:shapes", help="whose validation images are compared on")
    options = parser.parse_args()
    preset = get_preset("paper").changed(Conv={"stddev": "he"}, Dense={"stddev": "he"})
    model = AlexNet(preset, classes=CLASSES)
    first = model.get_layer("conv1").kernel
    first.assign(first / DEVIATION)
    resize_crop = ResizeCrop(preset.preprocessing.resize, preset.input_size)
    names = tuple(f"class {number}" for number in range(CLASSES))
    classifier = Classifier(model, GRAY, resize_crop.resize, resize_crop.crop, names)
    split = datasets.open_dataset(options.dataset, seed=0).validation
    images = next(iter(pipeline.evaluation_batches(split, CLASSES, IMAGES, resize_crop)))["image"].numpy()
    with tempfile.TemporaryDirectory() as out:
        common.print_parity(export(classifier, f"{out}/export", list(FORMATS), images, preset.name))


if __name__ == "__main__":
    main()
