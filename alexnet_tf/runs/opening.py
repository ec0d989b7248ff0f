"""Opens whatever labels images: a run or any file of an export."""

import os

from alexnet_tf.inference.exported import open_export
from alexnet_tf.inference.predictor import Predictor
from alexnet_tf.runs.run import is_run, load_run


def open_predictor(path: str | os.PathLike, best: bool = False) -> Predictor:
    """Opens a trained network to label images with.

    Args:
        path: the workdir of a run, an export's directory, its SavedModel's directory, or one of its `.tflite` or
            `.onnx` files.
        best: True for the checkpoint of a run with the lowest top-1 validation error instead of the newest.

    Raises:
        UserError: if `path` is none of these.
    """
    return load_run(path, best).predictor() if is_run(path) else open_export(path)
