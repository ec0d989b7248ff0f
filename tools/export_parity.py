"""Exports the paper's network at full size, 1000 classes, in all formats, and compares each format with Keras.

The network is that of `tools/bench`, which is not trained.
"""

import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf.cli import common, startup  # noqa: E402, F401 - before TensorFlow
from alexnet_tf.data import datasets, pipeline  # noqa: E402
from alexnet_tf.exporting.export import export  # noqa: E402
from alexnet_tf.exporting.formats import FORMATS, check_formats  # noqa: E402
from tools.bench.network import CLASSES, paper_predictor  # noqa: E402

IMAGES = 32


def main() -> None:
    """Exports into a temporary directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="builtin:shapes", help="dataset whose validation images are compared on")
    # Without training, no class is far more probable than the others, and 4 bits lose too much.
    default = ",".join(name for name in FORMATS if name != "tflite_int4")
    parser.add_argument("--formats", default=default, help="separated by commas")
    options = parser.parse_args()
    check_formats(options.formats.split(","))
    predictor = paper_predictor()
    split = datasets.open_dataset(options.dataset, seed=0).validation
    images = next(pipeline.read_split(split, CLASSES, IMAGES, predictor.preprocessing)).images
    with tempfile.TemporaryDirectory() as out:
        common.print_parity(export(predictor, f"{out}/export", options.formats.split(","), images=images))


if __name__ == "__main__":
    main()
