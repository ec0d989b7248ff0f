"""`Predictor`: a network with the preprocessing of its images and the names of its classes."""

import abc
import dataclasses
import errno
import functools
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data import images as image_functions
from alexnet_tf.data.file_crop import crop_from_file
from alexnet_tf.data.folder_files import SUFFIXES
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.reasons import reason
from alexnet_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class InputPreprocessing(ResizeCrop):
    """How an image file becomes the input of a network; `mean` is left out of comparisons.

    Attributes:
        mean: float32 (crop, crop, 3) or (3,), subtracted from the pixels; None where an export subtracts it itself.
    """

    mean: npt.NDArray[np.float32] | None = dataclasses.field(default=None, compare=False)

    def pixels(self, encoded: bytes | tf.Tensor) -> tf.Tensor:
        """Decodes, resizes and crops an image file as evaluation does; usable in a graph.

        Args:
            encoded: the bytes of a JPEG, PNG, GIF or BMP file.

        Returns:
            uint8 (crop, crop, 3), the mean not subtracted.

        Raises:
            tf.errors.InvalidArgumentError: if the bytes are not such an image.
        """
        return crop_from_file(encoded, self, tf.fill([2], self.center_offset))


class FilePrediction(NamedTuple):
    """What `Predictor.predict_files` yields for each file.

    Attributes:
        file: path as given, or inside the directory that was given.
        probabilities: float32 (classes,); None if the file is not a readable image.
        error: why there are none, or None.
    """

    file: str
    probabilities: npt.NDArray[np.float32] | None
    error: str | None


class Predictor(abc.ABC):
    """Labels images, whatever the network is stored as: a run, a SavedModel, a TFLite or an ONNX file.

    Args:
        name: path or preset, for messages.
        class_names: names of the classes in the order of the outputs.
        preprocessing: what happens to an image before the network sees it.
    """

    def __init__(self, name: str, class_names: Sequence[str], preprocessing: InputPreprocessing) -> None:
        self.name, self.class_names, self.preprocessing = name, tuple(class_names), preprocessing

    @abc.abstractmethod
    def probabilities(self, images: npt.ArrayLike | tf.Tensor) -> tf.Tensor:
        """From uint8 (batch, crop, crop, 3) to float32 (batch, classes); usable inside a `tf.function`."""

    def view_probabilities(self, images: tf.Tensor, views: int) -> tf.Tensor:
        """The mean of the probabilities over the views of each image; usable inside a `tf.function`.

        Args:
            images: uint8 (batch, crop, crop, 3), or (batch, resize, resize, 3) to cut ten views from.
            views: 1 for the images themselves, 10 for the views of section 4.1 of the paper.

        Returns:
            float32 (batch, classes).
        """
        crop = self.preprocessing.crop
        if views > 1:
            images = tf.reshape(image_functions.ten_views(images, crop), [-1, crop, crop, 3])
        probabilities = tf.reshape(self.probabilities(images), [-1, views, len(self.class_names)])
        return tf.reduce_mean(probabilities, axis=1)

    @functools.cached_property
    def compiled(self) -> Callable[[npt.ArrayLike | tf.Tensor], tf.Tensor]:
        """`probabilities` in the form that is the fastest to call many times."""
        return self.probabilities

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names that `layers` accepts; empty if only probabilities are available."""
        return ()

    def check_layer(self, layer: str) -> None:
        """Raises UserError unless `layer` is one of `layer_names`."""
        if not self.layer_names:
            raise UserError(f"model must be a run or an export with a SavedModel to give inner layers, got {self.name}")
        if layer not in self.layer_names:
            raise UserError(f"layer must be one of {', '.join(self.layer_names)}, got {layer!r}")

    def layers(self, images: npt.ArrayLike | tf.Tensor, names: Sequence[str]) -> dict[str, tf.Tensor]:
        """Computes outputs of inner layers; usable inside a `tf.function`.

        Args:
            images: uint8 (batch, crop, crop, 3).
            names: some of `layer_names`.

        Returns:
            {name: float32 (batch, ...)}.

        Raises:
            UserError: if there is no such layer.
        """
        for name in names:
            self.check_layer(name)
        raise NotImplementedError

    def predict(self, encoded: bytes) -> npt.NDArray[np.float32]:
        """Labels one image file.

        Args:
            encoded: the file's bytes.

        Returns:
            float32 (classes,), the probability of each class.

        Raises:
            UserError: if the bytes are not a JPEG, PNG, GIF or BMP image, or the network gives NaN.
        """
        try:
            pixels = self.preprocessing.pixels(encoded)
        except tf.errors.InvalidArgumentError as error:
            raise UserError(reason(error, encoded)) from error
        probabilities = self.compiled(pixels[None]).numpy()[0]
        if not np.isfinite(probabilities).all():
            raise UserError(f"{self.name!r} gives probabilities that are not numbers: its weights are damaged")
        return probabilities

    def predict_files(self, paths: Sequence[str | os.PathLike]) -> Iterator[FilePrediction]:
        """Labels image files, and the image files in directories, one after the other.

        A file that cannot be read or is not an image has an `error` and no probabilities.

        Raises:
            UserError: if a directory has no image file in it.
        """
        for file in [file for path in paths for file in _files_at(pathlib.Path(path))]:
            try:
                yield FilePrediction(str(file), self.predict(_read(file)), None)
            except OSError as error:
                yield FilePrediction(str(file), None, error.strerror)
            except UserError as error:
                yield FilePrediction(str(file), None, str(error))


def _read(file: pathlib.Path) -> bytes:
    """The bytes of a file; to read a pipe or a device might never end."""
    if file.exists() and not file.is_file() and not file.is_dir():
        raise OSError(errno.EINVAL, "not a regular file")
    return file.read_bytes()


def _files_at(path: pathlib.Path) -> list[pathlib.Path]:
    """The path itself, or the image files below it if it is a directory."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"directory must hold image files ({', '.join(SUFFIXES)}), got {str(path)!r}")
    return files
