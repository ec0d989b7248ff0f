"""Reads PyTorch's `.pth` files without PyTorch.

Such a file is a zip of raw storages with a pickle that describes the tensors; before PyTorch 1.6 it was five pickles
followed by the storages. `safe_pickle` reads the pickles, so that nothing in a file is ever executed.
"""

import dataclasses
import io
import math
import os
import pathlib
import struct
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.safe_pickle import read_pickle
from alexnet_tf.models.pretrained.weight_file import Array, WeightFile, check_total, layers_from_keys

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),  # Of batch normalization's counters.
}


def read_pth(path: str | os.PathLike) -> WeightFile:
    """Reads a state dict with torchvision's keys, or with our layers' names: `conv1.weight`.

    Args:
        path: of a file that `torch.save(model.state_dict(), path)` wrote, with any version of PyTorch.

    Raises:
        UserError: if the file is not a state dict of tensors, is truncated, or declares sizes that it does not hold.
        OSError: if it cannot be read.
    """
    data = pathlib.Path(path).read_bytes()
    try:
        tensors = _read_zip(data) if zipfile.is_zipfile(io.BytesIO(data)) else _read_legacy(data)
    except (ValueError, EOFError, TypeError, struct.error, zipfile.BadZipFile, RuntimeError) as error:
        raise UserError(
            f"weights must be a complete .pth file that holds only tensors, got {str(path)!r}: {error!s:.200}"
        ) from error
    check_total(tensors, path)
    return WeightFile(layers_from_keys(tensors, path), channels_first=True)


@dataclasses.dataclass(frozen=True)
class _Storage:
    """Numbers in the file: their key, type and count."""

    key: str
    dtype: np.dtype
    count: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        if type(self.storage) is not _Storage:
            raise ValueError("a tensor without a storage")
        numbers = (self.offset, *self.shape, *self.strides)
        valid = all(type(number) is int and number >= 0 for number in numbers)
        if not valid or len(self.shape) != len(self.strides) or len(self.shape) > 8:
            raise ValueError("a tensor without a valid shape and strides")
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True))
        if 0 in self.shape or last >= self.storage.count or math.prod(self.shape) > self.storage.count:
            raise ValueError(f"a tensor of shape {self.shape} in a storage of {self.storage.count} numbers")

    def array(self, numbers: Array) -> Array:
        """The tensor as a view of its storage's numbers."""
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides, writeable=False)


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *others: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _ordered_dict(items: Sequence[Any] = ()) -> dict[str, Any]:
    if not all(type(key) is str for key, _ in items):
        raise ValueError("keys that are not text")
    return dict(items)


_NAMES: dict[str, Any] = {
    "collections OrderedDict": _ordered_dict,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": lambda tensor, *others: tensor,
    **{f"torch {name}": dtype for name, dtype in _STORAGES.items()},
}


def _storage(persistent_id: Any) -> _Storage:
    kind, dtype, key, _, count, *_ = persistent_id
    if kind != "storage" or not isinstance(dtype, np.dtype) or type(key) is not str or type(count) is not int:
        raise ValueError("a persistent id that is not a storage")
    return _Storage(key, dtype, count)


def _check_state(state: Any) -> None:
    if type(state) is not dict:
        raise ValueError("no state dict")
    for key, value in state.items():
        if type(value) is not _Tensor:
            raise ValueError(f"{key[:80]!r} is a {type(value).__name__}, not a tensor; save model.state_dict() alone")


def _arrays(state: dict[str, _Tensor], read: Callable[[_Storage], bytes]) -> dict[str, Array]:
    """The tensors of a state dict, with `read` for a storage's bytes; each storage is read once."""
    storages = {tensor.storage.key: tensor.storage for tensor in state.values()}
    numbers = {key: np.frombuffer(read(storage), storage.dtype) for key, storage in storages.items()}
    return {key: tensor.array(numbers[tensor.storage.key]) for key, tensor in state.items()}


def _read_zip(data: bytes) -> dict[str, Array]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {member.filename.partition("/")[2]: member for member in archive.infolist()}
        if "data.pkl" not in members:
            raise ValueError("a zip without data.pkl")
        # PyTorch stores without compression, and members that overlap would be larger than the file.
        if sum(member.file_size for member in members.values()) > len(data):
            raise ValueError("a zip that is larger inside than outside")
        if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
            raise ValueError("numbers in big-endian order")

        def read(storage: _Storage) -> bytes:
            member = members.get(f"data/{storage.key}")
            needed = storage.count * storage.dtype.itemsize
            if member is None or member.file_size != needed:
                size = 0 if member is None else member.file_size
                raise ValueError(f"a storage that declares {needed} bytes and holds {size}")
            return archive.read(member)

        state = read_pickle(io.BytesIO(archive.read(members["data.pkl"])), _NAMES, _storage)
        _check_state(state)
        return _arrays(state, read)


def _read_legacy(data: bytes) -> dict[str, Array]:
    file = io.BytesIO(data)
    magic, _, system, state, keys = (read_pickle(file, _NAMES, _storage) for _ in range(5))
    if magic != _LEGACY_MAGIC or type(system) is not dict or system.get("little_endian") is not True:
        raise ValueError("not what torch.save writes on a little-endian machine")
    _check_state(state)
    storages = {tensor.storage.key: tensor.storage for tensor in state.values()}
    if type(keys) is not list or sorted(keys) != sorted(storages):
        raise ValueError("other storages than its tensors need")
    contents = {}
    for storage in (storages[key] for key in keys):
        (count,) = struct.unpack("<q", file.read(8))
        contents[storage.key] = content = file.read(storage.count * storage.dtype.itemsize)
        if count != storage.count or len(content) != count * storage.dtype.itemsize:
            raise ValueError(f"a storage that declares {storage.count} numbers and holds others")
    return _arrays(state, lambda storage: contents[storage.key])
