"""The network that all contenders compute: the paper's, 1000 classes, random weights from a fixed seed."""

import hashlib
import pathlib
import shutil
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from alexnet_tf.inference.keras_predictor import KerasPredictor

CLASSES, GRAY = 1000, 120
# What a training step and a prediction of one image cost: two operations per multiply-add. conv1 needs no gradient with
# respect to the image.
FORWARD_GFLOP, TRAINING_GFLOP = 1.45, 4.13
# The standard deviation of a photograph's pixels is about this.
DEVIATION = 60
WEIGHTS, EXPECTED, ONNX_LRN = "weights.npz", "expected.npy", "model_lrn.onnx"


def paper_predictor() -> "KerasPredictor":
    """The paper's network with He's initialization, which makes the probabilities of all classes different.

    This makes comparisons harder than a trained network, whose top class has a probability far above the others.
    """
    import keras

    from alexnet_tf.inference.keras_predictor import KerasPredictor
    from alexnet_tf.inference.predictor import InputPreprocessing
    from alexnet_tf.models.builder import AlexNet
    from alexnet_tf.models.presets import get_preset

    keras.utils.set_random_seed(0)
    preset = get_preset("paper").changed(Conv={"kernel_init": "he"}, Dense={"kernel_init": "he"})
    model = AlexNet(preset, classes=CLASSES)
    first = model.get_layer("conv1").kernel
    first.assign(first / DEVIATION)
    sizes = InputPreprocessing(preset.preprocessing.resize, preset.input_size, np.full(3, GRAY, np.float32))
    return KerasPredictor(preset.name, [f"class {number}" for number in range(CLASSES)], sizes, model)


def images(count: int) -> np.ndarray:
    """Images of random squares, uint8 (count, 227, 227, 3); the first ones are the same for every count."""
    squares = [np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8) for number in range(count)]
    return np.stack(squares).repeat(29, 1).repeat(29, 2)[:, :227, :227]


def load_weights(directory: pathlib.Path, model) -> None:
    """Gives a Keras model with the layers of the network the weights that are exported in a directory."""
    with np.load(directory / WEIGHTS) as weights:
        for name in {key.split("/")[0] for key in weights}:
            model.get_layer(name).set_weights([weights[f"{name}/kernel"], weights[f"{name}/bias"]])


def export(directory: pathlib.Path, compared: int) -> None:
    """Exports the network, unless the directory has it from the same source code.

    Args:
        directory: gets all formats, the weights, an ONNX file with ONNX's own LRN operation, and the probabilities of
            the Keras model for the first images.
        compared: how many images.
    """
    marker, sources = directory / "sources.txt", _fingerprint()
    if marker.exists() and marker.read_text() == sources:
        return
    from alexnet_tf.cli import startup  # noqa: F401, I001 - before TensorFlow
    from alexnet_tf.exporting import onnx
    from alexnet_tf.exporting.formats import FORMATS, Options

    print(f"exporting the network to {directory}", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    predictor, batch = paper_predictor(), images(compared)
    layers = [layer for layer in predictor.model.layers if hasattr(layer, "kernel")]
    weights = {f"{layer.name}/{kind}": getattr(layer, kind).numpy() for layer in layers for kind in ("kernel", "bias")}
    np.savez(directory / WEIGHTS, **weights)
    np.save(directory / EXPECTED, predictor.probabilities(batch).numpy())
    for form in FORMATS.values():
        form.write(predictor, directory / form.file, Options(batch))
    (directory / ONNX_LRN).write_bytes(onnx.convert(predictor, lowerings={}))
    marker.write_text(sources)


def _fingerprint() -> str:
    """A hash of the code that writes the export."""
    root = pathlib.Path(__file__).parents[2]
    files = [*sorted((root / "alexnet_tf").rglob("*.py")), pathlib.Path(__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
