"""Converts weights to a `.weights.h5`, `.safetensors` or `.onnx` file.

alexnet-tf weights --from=bvlc_alexnet.caffemodel --preset=caffe --out=caffe.weights.h5 --check
"""

import pathlib
import warnings

import keras
import numpy as np
from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.errors import UserError
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.fit import WeightsWarning, fit
from alexnet_tf.models.pretrained.load import find_weights, read_weights
from alexnet_tf.models.pretrained.report import layer_reports
from alexnet_tf.models.pretrained.writers import SUFFIXES, save_weights

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "from", None, "imagenet, the path or address (https://… or hf://owner/repository/file) of a .caffemodel, .npy, "
    ".onnx, .pth, .safetensors or .weights.h5 file, or a finished run", required=True,
)  # fmt: skip
flags.DEFINE_string("preset", None, "network of the weights, as listed by alexnet-tf presets", required=True)
flags.DEFINE_integer("classes", 1000, "number of outputs", lower_bound=1)
flags.DEFINE_string("out", None, f"file to write; it ends in {', '.join(SUFFIXES)}", required=True)
flags.DEFINE_bool("check", False, "read the file again and compare the outputs of both networks")


def main(argv: list[str]) -> None:
    """Reports on each layer, with mean and deviation of its kernel, which tell trained weights from random ones."""
    common.no_arguments(argv)
    out = pathlib.Path(FLAGS.out)
    if not out.name.endswith(SUFFIXES) or not out.parent.is_dir():
        raise UserError(f"out must end in {', '.join(SUFFIXES)}, in an existing directory, got {FLAGS.out!r}")
    path = find_weights(FLAGS["from"].value, FLAGS.preset)
    model = AlexNet(FLAGS.preset, classes=FLAGS.classes)
    _load(model, path)
    save_weights(model, get_preset(FLAGS.preset), out)
    print(f"{out}: {model.count_params():,} parameters")
    if FLAGS.check:
        _check(model, AlexNet(FLAGS.preset, weights=out, classes=FLAGS.classes))


def _load(model: keras.Model, path: pathlib.Path) -> None:
    """Loads a file into a model and prints what became of each layer."""
    file = read_weights(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeightsWarning)  # The report says it.
        reasons = fit(model, file.layers, str(path), channels_first=file.channels_first, bgr=file.bgr)
    for report in layer_reports(model, file, reasons):
        kernel = model.get_layer(report.layer).weights[0].numpy()
        print(f"{report}; mean {kernel.mean():+.5f}, std {kernel.std():.5f}")


def _check(model: keras.Model, again: keras.Model) -> None:
    inputs = np.random.default_rng(0).uniform(-127, 127, (2, *model.input_shape[1:])).astype(np.float32)
    difference = np.abs(model.predict(inputs, verbose=0) - again.predict(inputs, verbose=0)).max()
    if difference:
        raise RuntimeError(f"the file that was written gives outputs that differ by up to {difference:g}")
    print("read again: the outputs are equal")


if __name__ == "__main__":
    common.run(main)
