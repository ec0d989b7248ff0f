"""The flags with which commands name a trained network."""

from absl import flags

from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import Predictor
from alexnet_tf.runs.opening import Opened, open_model

FLAGS = flags.FLAGS
WEIGHTS = "cifar10, imagenet[:PRESET], a weight file or its address"
KERAS_MODEL = f"workdir of a run; or weights: {WEIGHTS}"
MODEL = f"workdir of a run; directory or a .tflite or .onnx file of an export; or weights: {WEIGHTS}"

flags.DEFINE_bool("best", False, "use the checkpoint of a run with the lowest validation error instead of the newest")
flags.DEFINE_string("preset", None, "network of a weight file that does not say its own, e.g. caffe")
flags.DEFINE_string(
    "labels", None, "class names for weights: a text file, one name a line, in the order of the outputs"
)


def opened() -> Opened:
    """The network that `--model` and the flags of this module name."""
    return open_model(FLAGS.model, FLAGS.best, FLAGS.preset, FLAGS.labels)


def default_layer(predictor: Predictor) -> str:
    """The last layer before the logits: fc7, or what a network without fc7 has instead."""
    names = predictor.feature_names if isinstance(predictor, KerasPredictor) else predictor.layer_names
    return "fc7" if "fc7" in names or not names else names[0]
