"""Reads and writes `.safetensors` files, which hold numbers and their names, and no code."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from alexnet_tf import storage
from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.weight_file import Array, WeightFile, layers_from_keys


def read_safetensors(path: str | os.PathLike) -> WeightFile:
    """Reads tensors in PyTorch's layout, with torchvision's keys, or with our layers' names: `conv1.weight`.

    Raises:
        UserError: if the file is not a `.safetensors` file, is truncated, or declares sizes that it does not hold.
        OSError: if it cannot be read.
    """
    return WeightFile(layers_from_keys(read_tensors(path), path), channels_first=True)


def read_tensors(path: str | os.PathLike) -> dict[str, Array]:
    """Returns all tensors of a `.safetensors` file by their keys; raises as `read_safetensors` does."""
    open(path, "rb").close()  # So that a missing file is not reported as a damaged one.
    try:
        return safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, ValueError, TypeError) as error:
        raise UserError(f"weights must be a complete .safetensors file, got {str(path)!r}: {error}") from error


def write_tensors(
    path: str | os.PathLike, tensors: Mapping[str, Array], metadata: dict[str, str] | None = None
) -> None:
    """Writes tensors by their keys.

    Raises:
        SaveError: if the operating system refuses to write.
    """
    contents: dict[str, Any] = {key: np.ascontiguousarray(array) for key, array in tensors.items()}
    storage.write_bytes(path, safetensors.numpy.save(contents, metadata))
