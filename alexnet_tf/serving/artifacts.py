"""Writes a classifier as a SavedModel or a TFLite file, preprocessing inside."""

import tensorflow as tf

from alexnet_tf.models.layers import lowered
from alexnet_tf.serving.classifier import prepare

_OPTIMIZATIONS = {
    "tflite": {},
    "tflite_float16": {"optimizations": [tf.lite.Optimize.DEFAULT], "supported_types": [tf.float16]},
    "tflite_int8": {"optimizations": [tf.lite.Optimize.DEFAULT]},
}
TFLITE_FORMATS = tuple(_OPTIMIZATIONS)


class _Served(tf.Module):
    """The SavedModel's signatures."""

    def __init__(self, classifier):
        super().__init__()
        self.classifier = classifier
        self.variables_of_model = [variable.value for variable in classifier.model.variables]
        self.labels = tf.constant(classifier.class_names)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="encoded")], jit_compile=False)
    def classify(self, encoded):
        """From image files' bytes to probabilities and the best five labels."""
        crop, resize = self.classifier.crop, self.classifier.resize
        spec = tf.TensorSpec([crop, crop, 3], tf.uint8)
        pixels = tf.map_fn(lambda e: prepare(e, resize, crop), encoded, fn_output_signature=spec)
        probabilities = self.classifier.probabilities(pixels)
        scores, class_ids = tf.math.top_k(probabilities, min(5, len(self.classifier.class_names)))
        labels = tf.gather(self.labels, class_ids)
        return {"probabilities": probabilities, "scores": scores, "class_ids": class_ids, "labels": labels}


def write_saved_model(classifier, directory):
    """Writes a SavedModel: `serving_default` takes `encoded` (batch of bytes), `pixels` takes `image`.

    `pixels` takes uint8 (batch, crop, crop, 3) and gives `probabilities` float32 (batch, classes);
    `serving_default` also gives `scores`, `class_ids` and `labels` of the best five.
    """
    served = _Served(classifier)
    shape = [None, classifier.crop, classifier.crop, 3]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, name="image")], jit_compile=False)
    def pixels(image):
        return {"probabilities": classifier.probabilities(image)}

    served.pixels = pixels
    tf.saved_model.save(served, str(directory), {"serving_default": served.classify, "pixels": pixels})


def convert_tflite(classifier, kind):
    """The bytes of a TFLite file: input `image` uint8 (1, crop, crop, 3), output probabilities float32 (1, classes).

    Args:
        classifier: `Classifier`.
        kind: one of `TFLITE_FORMATS`; `tflite_int8` quantises weights and keeps activations in float.
    """
    spec = tf.TensorSpec([1, classifier.crop, classifier.crop, 3], tf.uint8, name="image")
    served = _Served(classifier)
    # One grouped operation; split towers would slice their kernel again at every call.
    with lowered(classifier.model, "grouped"):
        function = tf.function(lambda image: classifier.probabilities(image), jit_compile=False)
        concrete = function.get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], served)
    settings = _OPTIMIZATIONS[kind]
    converter.optimizations = settings.get("optimizations", [])
    converter.target_spec.supported_types = settings.get("supported_types", [])
    return converter.convert()
