"""Opens a trained network, whatever it is stored as: a run, an export, a weight file, or weights that have a name."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping

from alexnet_tf.errors import UserError
from alexnet_tf.inference.exported import open_export
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.manifest import MANIFEST
from alexnet_tf.inference.predictor import Predictor
from alexnet_tf.models.pretrained.load import READERS
from alexnet_tf.models.pretrained.sources import is_address
from alexnet_tf.runs import layout
from alexnet_tf.runs.run import Run, is_run, load_run
from alexnet_tf.runs.source import NAMES
from alexnet_tf.runs.weights_network import open_weights


@dataclasses.dataclass(frozen=True)
class Opened:
    """A trained network.

    Attributes:
        predictor: the network.
        run: the run that it is of, if it was opened as one.
        about: facts for a model card, by name.
    """

    predictor: Predictor
    run: Run | None
    about: Mapping[str, str | int]

    @property
    def keras_predictor(self) -> KerasPredictor:
        """The predictor, if it is of a Keras model.

        Raises:
            UserError: if the network is an exported file.
        """
        if not isinstance(self.predictor, KerasPredictor):
            raise UserError(
                f"model must be a run, a weight file, {' or '.join(NAMES)}, got the export {self.predictor.name!r}"
            )
        return self.predictor


def open_model(
    model: str | os.PathLike,
    best: bool = False,
    preset: str | None = None,
    labels: str | os.PathLike | None = None,
) -> Opened:
    """Opens a trained network; see `open_predictor`."""
    path = pathlib.Path(model)
    if path.name == layout.WEIGHTS and is_run(path.parent):
        model = path.parent  # Which also has the class names and the mean image.
    if best and not is_run(model):
        raise UserError(f"best must be given with a run only, got {str(model)!r}")
    if _has_weights_only(model):
        predictor, recipe = open_weights(str(model), preset, labels)
        return Opened(predictor, None, {"preset": recipe.preset, "weights": str(model)})
    for name, value in (("preset", preset), ("labels", labels)):
        if value is not None:
            raise UserError(f"{name} must be given with weights only, got {str(value)!r} with {str(model)!r}")
    if is_run(model):
        run = load_run(model, best)
        return Opened(run.predictor(), run, run.about)
    return Opened(open_export(model), None, {})


def open_predictor(
    model: str | os.PathLike,
    best: bool = False,
    preset: str | None = None,
    labels: str | os.PathLike | None = None,
) -> Predictor:
    """Opens a trained network to label images with.

    Args:
        model: the workdir of a run; an export's directory, its SavedModel's directory, or one of its `.tflite` or
            `.onnx` files; `"cifar10"` for the network that comes with the package; `"imagenet"` or
            `"imagenet:PRESET"` for published weights, of `caffe` if no preset is given; or the path, `https://` or
            `hf://` address of a weight file. A directory that has one of these names is written `./cifar10`.
        best: True for the checkpoint of a run with the lowest top-1 validation error instead of the newest.
        preset: of a weight file that does not say its own.
        labels: for weights: text file with one class name a line. If not given: those that the weight file has, those
            of ImageNet for 1000 outputs, or "class 0", "class 1" and so on.

    Raises:
        UserError: if `model` is none of these, or another argument does not belong to it.
    """
    return open_model(model, best, preset, labels).predictor


def _has_weights_only(model: str | os.PathLike) -> bool:
    """Whether a model is neither a run nor an export."""
    path = pathlib.Path(model)
    if is_address(model) or str(model).partition(":")[0] in NAMES:
        return True
    if path.suffix == ".onnx" and (path.parent / MANIFEST).is_file():  # Of an export.
        return False
    return path.name.endswith(tuple(READERS)) and path.is_file()
