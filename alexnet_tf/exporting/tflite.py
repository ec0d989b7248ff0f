"""Converts a classifier to a TFLite file, preprocessing of pixels inside."""

import tensorflow as tf

from alexnet_tf.exporting import tflite_metadata
from alexnet_tf.models.layers import lowered

_OPTIMIZED = [tf.lite.Optimize.DEFAULT]
# Integers where TensorFlow Lite has them; LRN stays in float.
_INTEGERS = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
_SETTINGS = {
    "tflite": {},
    "tflite_float16": {"optimizations": _OPTIMIZED, "supported_types": [tf.float16]},
    "tflite_int8": {"optimizations": _OPTIMIZED},
    "tflite_full_int8": {"optimizations": _OPTIMIZED, "supported_ops": _INTEGERS},
}


def convert(classifier, kind, calibration=()):
    """The bytes of a TFLite file: input `image` uint8 (1, crop, crop, 3), output probabilities float32 (1, classes).

    Names and labels are in its metadata.

    Args:
        classifier: `Classifier`.
        kind: `tflite`, `tflite_float16`, `tflite_int8`, which quantizes weights and keeps activations in float, or
            `tflite_full_int8`, which quantizes both.
        calibration: uint8 (count, crop, crop, 3), real images that show `tflite_full_int8` how large activations get.
    """
    # One grouped operation; split towers would slice their kernel again at every call.
    with lowered(classifier.model, "grouped"):
        function = tf.function(lambda image: classifier.probabilities(image), jit_compile=False)
        concrete = function.get_concrete_function(classifier.image_spec(1))
    holder = tf.Module()  # The converter does not find the variables of a Keras model.
    holder.variables_of_model = [variable.value for variable in classifier.model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], holder)
    settings = _SETTINGS[kind]
    converter.optimizations = settings.get("optimizations", [])
    converter.target_spec.supported_types = settings.get("supported_types", [])
    if "supported_ops" in settings:
        converter.target_spec.supported_ops = settings["supported_ops"]
        converter.representative_dataset = lambda: ([image[None]] for image in calibration)
    return tflite_metadata.add(converter.convert(), classifier)
