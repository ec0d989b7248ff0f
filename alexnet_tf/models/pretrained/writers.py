"""Writes a network's weights for our own use, for PyTorch, and for ONNX runtimes."""

import os
import pathlib

import keras
import numpy as np
import numpy.typing as npt

from alexnet_tf import storage
from alexnet_tf.errors import UserError
from alexnet_tf.models.preset import Preset
from alexnet_tf.models.pretrained.layouts import channels_first
from alexnet_tf.models.pretrained.onnx_writer import write_onnx
from alexnet_tf.models.pretrained.run_details import MEAN_IMAGE, RunDetails
from alexnet_tf.models.pretrained.safetensors_file import write_tensors
from alexnet_tf.models.pretrained.weight_file import KEY_ENDS, TORCHVISION_LAYERS

SUFFIXES = (".weights.h5", ".safetensors", ".onnx")


def save_weights(
    model: keras.Model,
    preset: Preset,
    path: str | os.PathLike,
    details: RunDetails | None = None,
    dtype: npt.DTypeLike = np.float32,
) -> None:
    """Writes a file that `weights=` reads again.

    `.weights.h5` has Keras' layout. `.safetensors` has PyTorch's, for RGB: with torchvision's keys for the preset
    `torchvision`, else with our layers' names (`conv1.weight`). `.onnx` is a graph from input to logits; see
    `write_onnx`.

    Args:
        model: `keras.Model` made by `AlexNet` with its top.
        preset: of the model.
        path: of the file to write, which ends in one of `SUFFIXES`.
        details: of the run that the weights are from; only `.safetensors` stores them.
        dtype: of the numbers in a `.safetensors` file, e.g. `float16`.

    Raises:
        UserError: if the suffix is another, or does not store numbers of that dtype.
        SaveError: if the file cannot be written.
    """
    name = pathlib.Path(path).name
    if np.dtype(dtype) != np.float32 and not name.endswith(".safetensors"):
        raise UserError(f"dtype must be float32 except in a .safetensors file, got {np.dtype(dtype)} for {name!r}")
    if name.endswith(".weights.h5"):
        with storage.atomic_write(path, size=4 * model.count_params()) as partial:
            model.save_weights(partial)
    elif name.endswith(".safetensors"):
        _write_safetensors(model, preset, path, details, dtype)
    elif name.endswith(".onnx"):
        write_onnx(model, preset, path)
    else:
        raise UserError(f"a file of weights must end in one of {', '.join(SUFFIXES)}, got {str(path)!r}")


def _write_safetensors(
    model: keras.Model, preset: Preset, path: str | os.PathLike, details: RunDetails | None, dtype: npt.DTypeLike
) -> None:
    names = {ours: theirs for theirs, ours in TORCHVISION_LAYERS.items()} if preset.name == "torchvision" else {}
    tensors = {
        f"{names.get(layer, layer)}.{end}": array.astype(dtype)
        for layer, arrays in channels_first(model).items()
        for end, array in zip(KEY_ENDS, arrays, strict=False)
    }
    # What the programs of Hugging Face look for.
    metadata = {"format": "pt", "preset": preset.name}
    if details:
        metadata |= details.metadata()
        if details.mean_image is not None:
            tensors[MEAN_IMAGE] = details.mean_image
    write_tensors(path, tensors, metadata)
