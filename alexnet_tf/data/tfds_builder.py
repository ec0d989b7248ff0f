"""Finds a dataset of TensorFlow Datasets, and prepares it."""

import socket
import urllib.parse
from types import ModuleType
from typing import TYPE_CHECKING

from alexnet_tf import optional
from alexnet_tf.errors import UserError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

LONGEST_REASON = 400
# TFDS itself tries for minutes to reach a host.
CONNECT_SECONDS = 10


def load(user: str) -> ModuleType:
    """TFDS, imported late: it takes seconds, and most datasets do without.

    Args:
        user: what needs it, for the message.

    Raises:
        UserError: if it is not installed.
    """
    return optional.require("tensorflow_datasets", user, "pip install tensorflow-datasets importlib_resources")


def open_builder(name: str, tfds_name: str) -> "tfds.core.DatasetBuilder":
    """The builder of a TFDS dataset; `name` is the dataset's name in messages.

    Raises:
        UserError: if TFDS is not installed, or has no such dataset.
    """
    tfds = load(f"dataset {name!r}")
    try:
        return tfds.builder(tfds_name)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"dataset {name!r} cannot be opened by TFDS: {reason}") from error


def keys(builder: "tfds.core.DatasetBuilder", name: str) -> tuple[str, str]:
    """The names of the image and of the class label among a dataset's features.

    Raises:
        UserError: if there is not exactly one of each.
    """
    tfds = load(f"dataset {name!r}")
    features = dict(builder.info.features.items()) if hasattr(builder.info.features, "items") else {}
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    labels = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    if builder.info.supervised_keys and len(builder.info.supervised_keys) == 2:
        image, label = builder.info.supervised_keys
        if image in images and label in labels:
            return image, label
    if len(images) == 1 and len(labels) == 1:
        return images[0], labels[0]
    raise UserError(
        f"dataset {name!r} must have one image and one class label, got the features {', '.join(sorted(features))}"
    )


def prepare(builder: "tfds.core.DatasetBuilder", name: str) -> None:
    """Downloads and prepares a dataset that is not on disk yet.

    Raises:
        UserError: if that fails.
    """
    if builder.is_prepared():
        return
    if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS:  # Otherwise the user has downloaded the files.
        _check_reachable(builder, name)
    try:
        builder.download_and_prepare()
    except Exception as error:  # Anything that the dataset's own script and its downloads raise.
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = reason if len(reason) <= LONGEST_REASON else reason[:LONGEST_REASON] + " …"
        raise UserError(f"dataset {name!r} cannot be prepared by TFDS: {reason}") from error


def _check_reachable(builder: "tfds.core.DatasetBuilder", name: str) -> None:
    hosts = {urllib.parse.urlsplit(url).hostname for url in builder.url_infos}
    for host in sorted(filter(None, hosts)):
        try:
            socket.create_connection((host, 443), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise UserError(
                f"dataset {name!r} is not prepared in {builder.data_dir}, and {host} cannot be reached to download "
                f"it ({error})"
            ) from error
