"""Turns published weights into a `.weights.h5` file of ours.

alexnet-tf weights --from=bvlc_alexnet.caffemodel --preset=caffe --out=caffe.weights.h5 --check
"""

import pathlib

import numpy as np
from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.models.builder import AlexNet

FLAGS = flags.FLAGS
flags.DEFINE_string("from", None, "imagenet, a .caffemodel, .pth or .weights.h5 file, or a finished run", required=True)
flags.DEFINE_string("preset", None, "the network that the weights are for", required=True)
flags.DEFINE_integer("classes", 1000, "number of outputs", lower_bound=1)
flags.DEFINE_string("out", None, "file to write, *.weights.h5", required=True)
flags.DEFINE_bool("check", False, "read the file again and compare the answers of both networks")


def main(argv):
    """Writes the file and prints each layer's spread, which tells trained weights from fresh ones."""
    common.no_arguments(argv)
    out = pathlib.Path(FLAGS.out)
    if not out.name.endswith(".weights.h5") or not out.parent.is_dir():
        raise ValueError(f"out must be a .weights.h5 file in a directory that exists. Received: out={FLAGS.out!r}")
    model = _network(FLAGS["from"].value)
    for layer in (layer for layer in model.layers if layer.weights):
        kernel = layer.weights[0].numpy()
        print(
            f"{layer.name:<6}{'x'.join(map(str, kernel.shape)):<16} mean {kernel.mean():+.5f}  std {kernel.std():.5f}"
        )
    model.save_weights(out)
    print(f"{out}: {model.count_params():,} weights")
    if FLAGS.check:
        _check(model, _network(out))


def _network(weights):
    return AlexNet(FLAGS.preset, weights=weights, classes=FLAGS.classes)


def _check(model, again):
    inputs = np.random.default_rng(0).uniform(-127, 127, (2, *model.input_shape[1:])).astype(np.float32)
    difference = np.abs(model.predict(inputs, verbose=0) - again.predict(inputs, verbose=0)).max()
    if difference:
        raise ValueError(f"out does not give the same answers as from. Received: a difference of {difference:g}")
    print("read again: the same answers")


if __name__ == "__main__":
    common.run(main)
