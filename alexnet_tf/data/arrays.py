"""The checked reader of `.npy` and `.npz` files: neither damage nor a huge declared shape costs more than the file."""

import io
import math
import os
import pathlib
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet_tf import storage
from alexnet_tf.errors import UserError


def read_npy(path: str | os.PathLike) -> npt.NDArray[Any]:
    """Reads an `.npy` file; raises UserError if it is not a complete one of numbers or texts."""
    data = storage.read_bytes(path)
    try:
        return _array(data)
    except Exception as error:  # A damaged file raises whatever the code that meets it first raises.
        raise UserError(f"{str(path)!r} cannot be read: {error!s:.200}") from error


def read_npz(path: str | os.PathLike) -> dict[str, npt.NDArray[Any]]:
    """Reads the arrays of an `.npz` file, by name; raises UserError if it is not one that `numpy.savez` wrote."""
    data = storage.read_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            # Not compressed, so that no member is larger than the file.
            if any(member.compress_type != zipfile.ZIP_STORED or member.file_size > len(data) for member in members):
                raise ValueError("its arrays are compressed")
            return {pathlib.Path(member.filename).stem: _array(archive.read(member)) for member in members}
    except Exception as error:  # As in read_npy.
        raise UserError(f"{str(path)!r} cannot be read: {error!s:.200}") from error


def _array(data: bytes) -> npt.NDArray[Any]:
    """The array of an `.npy` file's bytes; memory is allocated only for bytes that are there."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("it has another version")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    count, start = math.prod(shape), file.tell()
    if min(shape, default=0) < 0 or dtype.hasobject or count * dtype.itemsize != len(data) - start:
        raise ValueError(f"it must have the bytes of {dtype} {shape} after its header, got {len(data) - start:,}")
    return np.frombuffer(data, dtype, count, start).reshape(shape, order="F" if fortran_order else "C").copy()
