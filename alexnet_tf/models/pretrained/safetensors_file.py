"""Reads and writes `.safetensors` files, which hold numbers and their names, and no code."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from alexnet_tf import storage
from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.run_details import MEAN_IMAGE, RunDetails, details_from
from alexnet_tf.models.pretrained.weight_file import Array, WeightFile, layers_from_keys

# What the library raises for damaged files, and for types of numbers that NumPy lacks, such as 8-bit floats.
_UNREADABLE = (safetensors.SafetensorError, ValueError, TypeError, KeyError, AttributeError)


def read_safetensors(path: str | os.PathLike) -> WeightFile:
    """Reads tensors in PyTorch's layout, with torchvision's keys, or with our layers' names: `conv1.weight`.

    Raises:
        UserError: if the file is not a `.safetensors` file, is truncated, or declares sizes that it does not hold.
        OSError: if it cannot be read.
    """
    details = read_details(path)
    return WeightFile(layers_from_keys(read_tensors(path), path), channels_first=True, details=details)


def read_tensors(path: str | os.PathLike) -> dict[str, Array]:
    """Returns all tensors of a `.safetensors` file by their keys; raises as `read_safetensors` does."""
    open(path, "rb").close()  # So that a missing file is not reported as a damaged one.
    try:
        return safetensors.numpy.load_file(path)
    except _UNREADABLE as error:
        raise _damaged(path, error) from error


def read_details(path: str | os.PathLike) -> RunDetails | None:
    """What a file says of the run that it is from, without its weights; None if it is not from a run.

    Raises:
        UserError, OSError: as `read_safetensors`.
    """
    open(path, "rb").close()
    try:
        with safetensors.safe_open(path, "numpy") as file:
            mean_image = file.get_tensor(MEAN_IMAGE) if MEAN_IMAGE in file.keys() else None  # noqa: SIM118
            metadata = file.metadata() or {}
    except _UNREADABLE as error:
        raise _damaged(path, error) from error
    return details_from(metadata, mean_image, path)


def _damaged(path: str | os.PathLike, error: Exception) -> UserError:
    return UserError(f"weights must be a complete .safetensors file, got {str(path)!r}: {error}")


def write_tensors(
    path: str | os.PathLike, tensors: Mapping[str, Array], metadata: dict[str, str] | None = None
) -> None:
    """Writes tensors by their keys.

    Raises:
        SaveError: if the operating system refuses to write.
    """
    contents: dict[str, Any] = {key: np.ascontiguousarray(array) for key, array in tensors.items()}
    storage.write_bytes(path, safetensors.numpy.save(contents, metadata))
