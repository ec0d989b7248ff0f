"""Loads published weights, weight files and the weights of finished runs into a model."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Collection
from typing import Any

import keras

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.caffe import read_caffemodel
from alexnet_tf.models.pretrained.fit import fit
from alexnet_tf.models.pretrained.keras_h5 import read_weights_h5
from alexnet_tf.models.pretrained.pytorch import read_pth

# In the workdir of a finished run of `alexnet-tf train`.
RUN_WEIGHTS = "model.weights.h5"
READERS: dict[str, Callable[[pathlib.Path], dict[str, Any]]] = {
    ".caffemodel": read_caffemodel,
    ".pth": read_pth,
    ".weights.h5": read_weights_h5,
}


@dataclasses.dataclass(frozen=True)
class Published:
    """A file of published weights.

    Attributes:
        url: where to download it.
        digest: (hash algorithm, hexadecimal digest or its beginning).
    """

    url: str
    digest: tuple[str, str]

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


PUBLISHED = {
    "caffe": Published(
        "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
        ("sha1", "9116a64c0fbe4459d18f4bb6b56d647b63920377"),
    ),
    "caffenet": Published(
        "http://dl.caffe.berkeleyvision.org/bvlc_reference_caffenet.caffemodel",
        ("sha1", "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46"),
    ),
    "torchvision": Published("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", ("sha256", "7be5be79")),
}


def published_preset(path: str | os.PathLike) -> str | None:
    """The preset whose published weights have the name of this file, or None."""
    name = pathlib.Path(path).name
    return next((preset for preset, published in PUBLISHED.items() if published.file == name), None)


def load_weights(
    model: keras.Model, weights: str | os.PathLike, preset_name: str, fresh: Collection[str] = ()
) -> dict[str, str]:
    """Loads weights into a model.

    Args:
        model: `keras.Model` made by `AlexNet`.
        weights: `"imagenet"` for the preset's published weights; or the path of a `.caffemodel`, `.pth` or
            `.weights.h5` file, or of the workdir of a finished run.
        preset_name: name of the model's preset.
        fresh: names of layers to leave unchanged whether theirs fit or not.

    Returns:
        The other layers that were left unchanged, with the reason; see `fit`.

    Raises:
        UserError: if there are no such weights, or they are damaged or another network's.

    Warns:
        alexnet_tf.models.pretrained.fit.WeightsWarning: with the layers that were left unchanged.
    """
    path = fetch(preset_name) if weights == "imagenet" else pathlib.Path(weights)
    if path.is_dir():
        path = path / RUN_WEIGHTS
    suffix = next((suffix for suffix in READERS if path.name.endswith(suffix)), None)
    if suffix is None:
        raise UserError(
            "weights must be None, 'imagenet', a .caffemodel, .pth or .weights.h5 file, or the workdir of a finished "
            f"run, got {str(weights)!r}"
        )
    try:
        arrays = READERS[suffix](path)
    except OSError as error:
        raise UserError(f"weights must be a readable file, got {str(weights)!r}: {error}") from error
    bgr = suffix == ".caffemodel"
    return fit(model, arrays, str(path), channels_first=suffix != ".weights.h5", bgr=bgr, fresh=fresh)


def fetch(preset_name: str) -> pathlib.Path:
    """The path of a preset's published weights, downloaded once into Keras' cache, with their digest checked.

    Raises:
        UserError: if none were published, or they cannot be downloaded, or their digest is wrong.
    """
    if preset_name not in PUBLISHED:
        raise UserError(f"weights='imagenet' needs one of the presets {', '.join(PUBLISHED)}, got {preset_name!r}")
    published = PUBLISHED[preset_name]
    try:
        path = pathlib.Path(keras.utils.get_file(published.file, published.url, cache_subdir="models"))
    except Exception as error:  # get_file raises a bare Exception for any network problem.
        raise UserError(
            f"weights='imagenet' cannot be downloaded: {error}. Download {published.url} elsewhere, then pass its path "
            "as weights, or put it into ~/.keras/models"
        ) from error
    algorithm, expected = published.digest
    digest = hashlib.new(algorithm, path.read_bytes()).hexdigest()
    if not digest.startswith(expected):
        raise UserError(
            f"weights in {path} are not the published file: {algorithm} must be {expected}, got {digest}. Delete the "
            "file to download it again"
        )
    return path
