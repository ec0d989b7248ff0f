"""Writes a classifier as a SavedModel that takes image files, pixels, or gives inner layers."""

import pathlib

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.data import decoding
from alexnet_tf.data import images as image_functions
from alexnet_tf.exporting.manifest import TOP

# The label of what is no image; its score is 0 and its class -1.
INVALID = "invalid"

_ENCODED = tf.TensorSpec([None], tf.string, name="encoded")


def write(classifier, directory, ten_views=False):
    """Writes a SavedModel.

    Signature `serving_default` takes `encoded`, a batch of image files' bytes, and gives `scores` float32, `class_ids`
    int32 and `labels` string, (batch, 5) each, best first; a row of what is no image has scores 0, ids -1 and labels
    `invalid`. `pixels` takes `image`, uint8 (batch, crop, crop, 3), and gives `probabilities` and `logits`, float32
    (batch, classes); `features` takes the same and gives `fc7`, float32 (batch, 4096), and `pool5`.

    Args:
        classifier: `Classifier`.
        directory: to write.
        ten_views: whether to add a signature `ten_views`: as `serving_default`, its probabilities the mean over the
            ten views of section 4.1, at ten times the cost.
    """
    served = _Served(classifier)
    signatures = {"serving_default": served.classify, "pixels": served.pixels, "features": served.features}
    if ten_views:
        signatures["ten_views"] = served.ten_views
    tf.saved_model.save(served, str(directory), signatures)


class _Served(tf.Module):
    """The SavedModel's signatures."""

    def __init__(self, classifier):
        super().__init__()
        self.classifier = classifier
        self.variables_of_model = [variable.value for variable in classifier.model.variables]
        self.labels = tf.constant(classifier.class_names)
        image = classifier.image_spec(None)
        self.pixels = tf.function(self._pixels, input_signature=[image], jit_compile=False)
        self.features = tf.function(self._features, input_signature=[image], jit_compile=False)

    @tf.function(input_signature=[_ENCODED], jit_compile=False)
    def classify(self, encoded):
        pixels, valid = _windows(encoded, self.classifier.resize_crop)
        return self._answer(self.classifier.probabilities(pixels), valid)

    @tf.function(input_signature=[_ENCODED], jit_compile=False)
    def ten_views(self, encoded):
        crop = self.classifier.crop
        squares, valid = _windows(encoded, image_functions.ResizeCrop(self.classifier.resize, self.classifier.resize))
        views = tf.reshape(image_functions.ten_views(squares, crop), [-1, crop, crop, 3])
        of_views = self.classifier.probabilities(views)
        of_views = tf.reshape(of_views, [-1, image_functions.VIEWS, len(self.classifier.class_names)])
        return self._answer(tf.reduce_mean(of_views, axis=1), valid)

    def _answer(self, probabilities, valid):
        scores, class_ids = tf.math.top_k(probabilities, min(TOP, len(self.classifier.class_names)))
        labels = tf.gather(self.labels, class_ids)
        return {
            "scores": tf.where(valid[:, None], scores, 0),
            "class_ids": tf.where(valid[:, None], class_ids, -1),
            "labels": tf.where(valid[:, None], labels, INVALID),
        }

    def _pixels(self, image):
        return self.classifier.layers(image, "probabilities", "logits")

    def _features(self, image):
        return self.classifier.layers(image, *self.classifier.feature_names)


def _windows(encoded, resize_crop):
    some = tf.debugging.Assert(tf.size(encoded) > 0, ["encoded must hold at least one image. Received:", encoded])
    with tf.control_dependencies([some]):
        return decoding.center_crops(encoded, resize_crop)


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
