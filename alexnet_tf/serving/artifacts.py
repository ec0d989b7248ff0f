"""Writes a classifier as a SavedModel or a TFLite file, preprocessing inside."""

import pathlib

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.data import files
from alexnet_tf.models.layers import lowered
from alexnet_tf.serving.manifest import TOP

_OPTIMIZED = [tf.lite.Optimize.DEFAULT]
# Integers where TensorFlow Lite has them; LRN stays in float.
_INTEGERS = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
_SETTINGS = {
    "tflite": {},
    "tflite_float16": {"optimizations": _OPTIMIZED, "supported_types": [tf.float16]},
    "tflite_int8": {"optimizations": _OPTIMIZED},
    "tflite_full_int8": {"optimizations": _OPTIMIZED, "supported_ops": _INTEGERS},
}
TFLITE_FORMATS = tuple(_SETTINGS)
# The label of what is no image; its score is 0 and its class -1.
INVALID = "invalid"


class _Served(tf.Module):
    """The SavedModel's signatures."""

    def __init__(self, classifier):
        super().__init__()
        self.classifier = classifier
        self.variables_of_model = [variable.value for variable in classifier.model.variables]
        self.labels = tf.constant(classifier.class_names)
        spec = tf.TensorSpec([None, classifier.crop, classifier.crop, 3], tf.uint8, name="image")
        self.pixels = tf.function(self._pixels, input_signature=[spec], jit_compile=False)
        self.features = tf.function(self._features, input_signature=[spec], jit_compile=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="encoded")], jit_compile=False)
    def classify(self, encoded):
        some = tf.debugging.Assert(tf.size(encoded) > 0, ["encoded must hold at least one image. Received:", encoded])
        with tf.control_dependencies([some]):
            pixels, valid = files.centre_windows(encoded, self.classifier.geometry)
        probabilities = self.classifier.probabilities(pixels)
        scores, class_ids = tf.math.top_k(probabilities, min(TOP, len(self.classifier.class_names)))
        labels = tf.gather(self.labels, class_ids)
        return {
            "scores": tf.where(valid[:, None], scores, 0),
            "class_ids": tf.where(valid[:, None], class_ids, -1),
            "labels": tf.where(valid[:, None], labels, INVALID),
        }

    def _pixels(self, image):
        layers = self.classifier.layers(image)
        return {name: layers[name] for name in ("probabilities", "logits")}

    def _features(self, image):
        layers = self.classifier.layers(image)
        return {name: layers[name] for name in ("fc7", "pool5")}


def write_saved_model(classifier, directory):
    """Writes a SavedModel.

    Signature `serving_default` takes `encoded`, a batch of image files' bytes, and gives `scores` float32, `class_ids`
    int32 and `labels` string, (batch, 5) each, best first; a row of what is no image has scores 0, ids -1 and labels
    `invalid`. `pixels` takes `image`, uint8 (batch, crop, crop, 3), and gives `probabilities` and `logits`, float32
    (batch, classes); `features` takes the same and gives `fc7`, float32 (batch, 4096), and `pool5`.
    """
    served = _Served(classifier)
    signatures = {"serving_default": served.classify, "pixels": served.pixels, "features": served.features}
    tf.saved_model.save(served, str(directory), signatures)


def tensor_names(directory):
    """{signature: {"inputs": {name: tensor}, "outputs": …}} of a SavedModel, for programs that run its graph."""
    model = saved_model_pb2.SavedModel.FromString((pathlib.Path(directory) / "saved_model.pb").read_bytes())
    return {
        name: {
            "inputs": {key: info.name for key, info in sorted(signature.inputs.items())},
            "outputs": {key: info.name for key, info in sorted(signature.outputs.items())},
        }
        for name, signature in model.meta_graphs[0].signature_def.items()
        if not name.startswith("__")
    }


def convert_tflite(classifier, kind, calibration=()):
    """The bytes of a TFLite file: input `image` uint8 (1, crop, crop, 3), output probabilities float32 (1, classes).

    Args:
        classifier: `Classifier`.
        kind: one of `TFLITE_FORMATS`; `tflite_int8` quantises weights and keeps activations in float,
            `tflite_full_int8` quantises both.
        calibration: uint8 (count, crop, crop, 3), real images that show `tflite_full_int8` how large activations get.
    """
    spec = tf.TensorSpec([1, classifier.crop, classifier.crop, 3], tf.uint8, name="image")
    served = _Served(classifier)
    # One grouped operation; split towers would slice their kernel again at every call.
    with lowered(classifier.model, "grouped"):
        function = tf.function(lambda image: classifier.probabilities(image), jit_compile=False)
        concrete = function.get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], served)
    settings = _SETTINGS[kind]
    converter.optimizations = settings.get("optimizations", [])
    converter.target_spec.supported_types = settings.get("supported_types", [])
    if "supported_ops" in settings:
        converter.target_spec.supported_ops = settings["supported_ops"]
        converter.representative_dataset = lambda: ([image[None]] for image in calibration)
    return converter.convert()
