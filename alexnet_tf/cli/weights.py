"""Converts weights to a `.weights.h5`, `.safetensors` or `.onnx` file.

alexnet-tf weights --from=bvlc_alexnet.caffemodel --preset=caffe --out=caffe.weights.h5 --check
"""

import pathlib

import keras
import numpy as np
from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.report import layer_reports
from alexnet_tf.models.pretrained.weight_file import WeightFile
from alexnet_tf.models.pretrained.writers import SUFFIXES, save_weights
from alexnet_tf.runs.run import load_run
from alexnet_tf.runs.source import run_details, source_run
from alexnet_tf.runs.weights_network import Loaded, load_network

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "from", None, "imagenet[:PRESET], cifar10, the path or address (https://… or hf://owner/repository/file) of a "
    ".caffemodel, .npy, .onnx, .pth, .safetensors or .weights.h5 file, or a run", required=True,
)  # fmt: skip
flags.DEFINE_string("preset", None, "network of weights that do not say their own; alexnet-tf presets lists them")
flags.DEFINE_integer("classes", None, "number of outputs", lower_bound=1)
flags.DEFINE_string("out", None, f"file to write; it ends in {', '.join(SUFFIXES)}", required=True)
flags.DEFINE_bool("float16", False, "store a .safetensors file in half precision, in half the bytes")
flags.DEFINE_bool("check", False, "read the file again and compare the outputs of both networks")

DEFAULTS = {"preset": "of a run and of a file from a run: its own", "classes": "as many as the weights have"}


def main(argv: list[str]) -> None:
    """Reports on each layer, with mean and deviation of its kernel, which tell trained weights from random ones."""
    common.no_arguments(argv)
    out, weights = pathlib.Path(FLAGS.out), FLAGS["from"].value
    if not out.name.endswith(SUFFIXES) or not out.parent.is_dir():
        raise UserError(f"out must end in {', '.join(SUFFIXES)}, in an existing directory, got {FLAGS.out!r}")
    model, recipe, file, misfits = _load(weights)
    for report in layer_reports(model, file, misfits):
        kernel = model.get_layer(report.layer).weights[0].numpy()
        print(f"{report}; mean {kernel.mean():+.5f}, std {kernel.std():.5f}")
    if FLAGS.float16:
        _round(model)
    details = None if misfits else file.details
    save_weights(model, recipe.network, out, details, np.float16 if FLAGS.float16 else np.float32)
    print(f"{out}: {model.count_params():,} parameters")
    if FLAGS.check:
        _check(model, load_network(str(out), recipe.preset).model)


def _load(weights: str) -> Loaded:
    source = source_run(weights)
    if source is None:
        return load_network(weights, FLAGS.preset, FLAGS.classes)
    run = load_run(source)
    for flag, value in (("preset", run.recipe.preset), ("classes", len(run.class_names))):
        if FLAGS[flag].value not in (None, value):
            raise UserError(f"{flag} must be {value}, as in the run {str(source)!r}, got {FLAGS[flag].value}")
    layers = {layer.name: layer.get_weights() for layer in run.model.layers if layer.weights}
    return Loaded(run.model, run.recipe, WeightFile(layers, channels_first=False, details=run_details(run)), {})


def _round(model: keras.Model) -> None:
    """Rounds all weights to half precision, so that the model is the one that will be read."""
    for variable in model.weights:
        with np.errstate(over="ignore"):
            rounded = variable.numpy().astype(np.float16)
        if not np.isfinite(rounded).all():
            raise UserError(f"float16 must be left out for weights beyond {np.finfo(np.float16).max:,}, which "
                            f"{variable.path} has")  # fmt: skip
        variable.assign(rounded)


def _check(model: keras.Model, again: keras.Model) -> None:
    inputs = np.random.default_rng(0).uniform(-127, 127, (2, *model.input_shape[1:])).astype(np.float32)
    difference = np.abs(model.predict(inputs, verbose=0) - again.predict(inputs, verbose=0)).max()
    if difference:
        raise RuntimeError(f"the file that was written gives outputs that differ by up to {difference:g}")
    print("read again: the outputs are equal")


if __name__ == "__main__":
    common.run(main)
