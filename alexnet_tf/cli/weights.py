"""Converts published weights to a `.weights.h5` file.

alexnet-tf weights --from=bvlc_alexnet.caffemodel --preset=caffe --out=caffe.weights.h5 --check
"""

import os
import pathlib

import keras
import numpy as np
from absl import flags

from alexnet_tf import storage
from alexnet_tf.cli import common
from alexnet_tf.errors import UserError
from alexnet_tf.models.builder import AlexNet

FLAGS = flags.FLAGS
flags.DEFINE_string("from", None, "imagenet, a .caffemodel, .pth or .weights.h5 file, or a finished run", required=True)
flags.DEFINE_string("preset", None, "network of the weights, as listed by alexnet-tf presets", required=True)
flags.DEFINE_integer("classes", 1000, "number of outputs", lower_bound=1)
flags.DEFINE_string("out", None, "file to write, *.weights.h5", required=True)
flags.DEFINE_bool("check", False, "read the file again and compare the outputs of both networks")


def main(argv: list[str]) -> None:
    """Writes the file; prints mean and deviation of each kernel, which differ between trained and random weights."""
    common.no_arguments(argv)
    out = pathlib.Path(FLAGS.out)
    if not out.name.endswith(".weights.h5") or not out.parent.is_dir():
        raise UserError(f"out must be a .weights.h5 file in an existing directory, got {FLAGS.out!r}")
    model = _network(FLAGS["from"].value)
    for layer in (layer for layer in model.layers if layer.weights):
        kernel = layer.weights[0].numpy()
        shape = "x".join(map(str, kernel.shape))
        print(f"{layer.name:<6}{shape:<16} mean {kernel.mean():+.5f}  std {kernel.std():.5f}")
    with storage.atomic_write(out) as partial:
        model.save_weights(partial)
    print(f"{out}: {model.count_params():,} parameters")
    if FLAGS.check:
        _check(model, _network(out))


def _network(weights: str | os.PathLike) -> keras.Model:
    return AlexNet(FLAGS.preset, weights=weights, classes=FLAGS.classes)


def _check(model: keras.Model, again: keras.Model) -> None:
    inputs = np.random.default_rng(0).uniform(-127, 127, (2, *model.input_shape[1:])).astype(np.float32)
    difference = np.abs(model.predict(inputs, verbose=0) - again.predict(inputs, verbose=0)).max()
    if difference:
        raise RuntimeError(f"the file that was written gives outputs that differ by up to {difference:g}")
    print("read again: the outputs are equal")


if __name__ == "__main__":
    common.run(main)
