"""Writes a SavedModel that takes image files or pixels, and also gives inner layers."""

import os
import pathlib
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.data.images import VIEWS, ResizeCrop
from alexnet_tf.data.undecodable import center_crops
from alexnet_tf.exporting.lowerings import TENSORFLOW
from alexnet_tf.exporting.manifest import TOP
from alexnet_tf.inference.exported import SAVED_MODEL
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.models.lowering import lowered

# The label of undecodable input; its score is 0 and its class -1.
INVALID = "invalid"

_ENCODED = tf.TensorSpec([None], tf.string, name="encoded")


def write(predictor: KerasPredictor, directory: str | os.PathLike, ten_views: bool = False) -> None:
    """Writes a SavedModel.

    Signature `serving_default` takes `encoded`, a batch of image files' bytes, and gives `scores` float32, `class_ids`
    int32 and `labels` string, (batch, 5) each, best first; for an undecodable image, scores are 0, ids -1 and labels
    `invalid`. Signature `pixels` takes `image`, uint8 (batch, crop, crop, 3), and gives `probabilities` and `logits`,
    float32 (batch, classes). Signature `features` takes the same and gives `fc7`, float32 (batch, 4096), and `pool5`.

    Args:
        predictor: the network.
        directory: the SavedModel to write.
        ten_views: whether to add a signature `ten_views`: as `serving_default`, but its probabilities are the mean over
            the ten views of section 4.1, at ten times the cost.
    """
    module = _Signatures(predictor)
    signatures = {"serving_default": module.classify, "pixels": module.pixels, "features": module.features}
    if ten_views:
        signatures["ten_views"] = module.classify_ten_views
    with lowered(predictor.model, **TENSORFLOW):  # Saving traces the functions.
        tf.saved_model.save(module, str(directory), signatures)


class _Signatures(tf.Module):
    """The functions of the SavedModel's signatures."""

    def __init__(self, predictor: KerasPredictor) -> None:
        super().__init__()
        self.predictor = predictor
        self.variables_of_model = [variable.value for variable in predictor.model.variables]
        self.labels = tf.constant(predictor.class_names)
        image = predictor.image_spec(None)
        self.pixels = tf.function(self._pixels, input_signature=[image], jit_compile=False)
        self.features = tf.function(self._features, input_signature=[image], jit_compile=False)

    @tf.function(input_signature=[_ENCODED], jit_compile=False)
    def classify(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        images, valid = _center_crops(encoded, self.predictor.preprocessing)
        return self._best(self.predictor.probabilities(images), valid)

    @tf.function(input_signature=[_ENCODED], jit_compile=False)
    def classify_ten_views(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        resize = self.predictor.preprocessing.resize
        squares, valid = _center_crops(encoded, ResizeCrop(resize, resize))
        return self._best(self.predictor.view_probabilities(squares, VIEWS), valid)

    def _best(self, probabilities: tf.Tensor, valid: tf.Tensor) -> dict[str, tf.Tensor]:
        scores, class_ids = tf.math.top_k(probabilities, min(TOP, len(self.predictor.class_names)))
        labels = tf.gather(self.labels, class_ids)
        return {
            "scores": tf.where(valid[:, None], scores, 0),
            "class_ids": tf.where(valid[:, None], class_ids, -1),
            "labels": tf.where(valid[:, None], labels, INVALID),
        }

    def _pixels(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.predictor.layers(image, ["probabilities", "logits"])

    def _features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.predictor.layers(image, self.predictor.feature_names)


def _center_crops(encoded: tf.Tensor, resize_crop: ResizeCrop) -> tuple[tf.Tensor, tf.Tensor]:
    not_empty = tf.debugging.Assert(tf.size(encoded) > 0, ["encoded must hold at least one image. Received:", encoded])
    with tf.control_dependencies([not_empty]):
        return center_crops(encoded, resize_crop)


def tensor_names(export: pathlib.Path) -> dict[str, Any]:
    """{signature: {"inputs": {name: tensor}, "outputs": …}} of an export's SavedModel, to run its graph with."""
    model = saved_model_pb2.SavedModel.FromString((export / SAVED_MODEL / "saved_model.pb").read_bytes())
    return {
        name: {
            "inputs": {key: info.name for key, info in sorted(signature.inputs.items())},
            "outputs": {key: info.name for key, info in sorted(signature.outputs.items())},
        }
        for name, signature in model.meta_graphs[0].signature_def.items()
        if not name.startswith("__")
    }
