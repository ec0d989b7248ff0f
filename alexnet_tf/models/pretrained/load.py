"""Loads published weights, weight files and the weights of finished runs into a model."""

import os
import pathlib
from collections.abc import Callable, Collection

import keras

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.caffe import read_caffemodel
from alexnet_tf.models.pretrained.download import download
from alexnet_tf.models.pretrained.fit import fit
from alexnet_tf.models.pretrained.keras_h5 import read_weights_h5
from alexnet_tf.models.pretrained.npy import read_npy
from alexnet_tf.models.pretrained.onnx_file import read_onnx
from alexnet_tf.models.pretrained.packaged import PACKAGED, packaged_file
from alexnet_tf.models.pretrained.pth import read_pth
from alexnet_tf.models.pretrained.safetensors_file import read_safetensors
from alexnet_tf.models.pretrained.sources import PUBLISHED, is_address, source_of
from alexnet_tf.models.pretrained.weight_file import WeightFile, check_finite

# In the workdir of a finished run of `alexnet-tf train`.
RUN_WEIGHTS = "model.weights.h5"
READERS: dict[str, Callable[[pathlib.Path], WeightFile]] = {
    ".caffemodel": read_caffemodel,
    ".npy": read_npy,
    ".onnx": read_onnx,
    ".pth": read_pth,
    ".safetensors": read_safetensors,
    ".weights.h5": read_weights_h5,
}


def load_weights(
    model: keras.Model, weights: str | os.PathLike, preset_name: str, fresh: Collection[str] = ()
) -> dict[str, str]:
    """Loads weights into a model.

    Args:
        model: `keras.Model` made by `AlexNet`.
        weights: `"imagenet"` for the preset's published weights; or `"cifar10"` for those of `four_layers`, which come
            with the package; or the path or address (see `sources.source_of`) of a file with one of the suffixes in
            `READERS`; or the path of the workdir of a finished run.
        preset_name: name of the model's preset.
        fresh: names of layers to leave unchanged whether theirs fit or not.

    Returns:
        The other layers that were left unchanged, with the reason; see `fit`.

    Raises:
        UserError: if there are no such weights, or they are damaged or another network's.

    Warns:
        alexnet_tf.models.pretrained.fit.WeightsWarning: with the layers that were left unchanged.
    """
    path = find_weights(weights, preset_name)
    file = read_weights(path)
    return fit(model, file.layers, str(path), channels_first=file.channels_first, bgr=file.bgr, fresh=fresh)


def find_weights(weights: str | os.PathLike, preset_name: str | None) -> pathlib.Path:
    """The path of the weight file that `weights` stands for; see `load_weights`. Weights on a server are downloaded.

    The name of the preset is only compared with that of weights that have a name; None is for weights of another kind.
    """
    if weights == "imagenet":
        return fetch(preset_name)
    if weights in PACKAGED:
        return packaged_file(str(weights), preset_name)
    if is_address(weights):
        source = source_of(str(weights))
        _suffix(source.file, weights)
        return download([source], str(weights))
    path = pathlib.Path(weights)
    return path / RUN_WEIGHTS if path.is_dir() else path


def read_weights(path: pathlib.Path) -> WeightFile:
    """Reads a weight file; nothing in it is executed, and no more memory is used than a few times its size.

    Raises:
        UserError: if it has no suffix of `READERS`, cannot be read, is damaged, or has weights that are not finite.
    """
    suffix = _suffix(path.name, path)
    if path.exists() and not path.is_file():
        raise UserError(f"weights must be a readable file, got {str(path)!r}: it is not a regular file")
    try:
        file = READERS[suffix](path)
    except OSError as error:
        raise UserError(f"weights must be a readable file, got {str(path)!r}: {error}") from error
    check_finite(file, path)
    return file


def _suffix(name: str, weights: str | os.PathLike) -> str:
    """The suffix that tells a file's reader; raises UserError if there is none."""
    suffix = next((suffix for suffix in READERS if name.endswith(suffix)), None)
    if suffix is None:
        *others, last = READERS
        raise UserError(
            f"weights must be None, 'imagenet', 'cifar10', a file or address that ends in {', '.join(others)} or "
            f"{last}, or the workdir of a finished run, got {str(weights)!r}"
        )
    return suffix


def fetch(preset_name: str | None) -> pathlib.Path:
    """The path of a preset's published weights, downloaded once into Keras' cache from the first source that answers.

    Raises:
        UserError: if none were published, or no source has them.
    """
    if preset_name not in PUBLISHED:
        raise UserError(f"weights='imagenet' needs one of the presets {', '.join(PUBLISHED)}, got {preset_name!r}")
    return download(PUBLISHED[preset_name], "imagenet")
