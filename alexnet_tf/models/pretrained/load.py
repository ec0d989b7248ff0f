"""From what a user calls weights to a network that has them."""

import dataclasses
import hashlib
import pathlib

import keras

from alexnet_tf.models.pretrained.caffe import read_caffemodel
from alexnet_tf.models.pretrained.fit import fit
from alexnet_tf.models.pretrained.keras_h5 import read_weights_h5
from alexnet_tf.models.pretrained.pytorch import read_pth

# What a finished run of `alexnet-tf train` leaves in its workdir.
RUN_WEIGHTS = "model.weights.h5"
READERS = {".caffemodel": read_caffemodel, ".pth": read_pth, ".weights.h5": read_weights_h5}


@dataclasses.dataclass(frozen=True)
class Published:
    """A file of published weights, with (algorithm, hexadecimal digest or its beginning)."""

    url: str
    digest: tuple

    @property
    def file(self):
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


def published_preset(path):
    """The preset whose published weights a file holds by its name, or None."""
    name = pathlib.Path(path).name
    return next((preset for preset, published in PUBLISHED.items() if published.file == name), None)


def load_weights(model, weights, preset_name, fresh=()):
    """Gives a network its weights.

    Args:
        model: `keras.Model` made by `AlexNet`.
        weights: `"imagenet"` for the preset's published weights; or the path of a `.caffemodel`, `.pth` or
            `.weights.h5` file, or of the workdir of a finished run.
        preset_name: name of the network's preset.
        fresh: names of layers that are left as they are, whether theirs would fit or not.

    Returns:
        The names of the other layers that start fresh, because theirs did not fit.

    Raises:
        ValueError: if there are no such weights, or they are broken or another network's.

    Warns:
        alexnet_tf.models.pretrained.fit.WeightsWarning: with the layers that did not fit.
    """
    path = fetch(preset_name) if weights == "imagenet" else pathlib.Path(weights)
    if path.is_dir():
        path = path / RUN_WEIGHTS
    suffix = next((suffix for suffix in READERS if path.name.endswith(suffix)), None)
    if suffix is None:
        raise ValueError(
            "weights must be None, 'imagenet', a .caffemodel, .pth or .weights.h5 file, or the workdir of a finished "
            f"run. Received: weights={str(weights)!r}"
        )
    try:
        arrays = READERS[suffix](path)
    except OSError as error:
        raise ValueError(f"weights cannot be read: {error}. Received: weights={str(weights)!r}") from error
    bgr = suffix == ".caffemodel"
    return fit(model, arrays, str(path), channels_first=suffix != ".weights.h5", bgr=bgr, fresh=fresh)


def fetch(preset_name):
    """The path of a preset's published weights, downloaded once into Keras' cache and checked.

    Raises:
        ValueError: if none were published, or they cannot be downloaded, or are not what was published.
    """
    if preset_name not in PUBLISHED:
        raise ValueError(
            f"weights='imagenet' were published for {', '.join(PUBLISHED)} only. Received: preset={preset_name!r}"
        )
    published = PUBLISHED[preset_name]
    try:
        path = pathlib.Path(keras.utils.get_file(published.file, published.url, cache_subdir="models"))
    except Exception as error:  # get_file raises a bare Exception for whatever the network did.
        raise ValueError(
            f"weights='imagenet' cannot be downloaded: {error}. Download {published.url} elsewhere, then give its "
            "path as weights, or put it into ~/.keras/models"
        ) from error
    algorithm, expected = published.digest
    found = hashlib.new(algorithm, path.read_bytes()).hexdigest()
    if not found.startswith(expected):
        raise ValueError(
            f"weights in {path} are not the published file: its {algorithm} is {found}, not {expected}. Delete it to "
            "download it again"
        )
    return path
