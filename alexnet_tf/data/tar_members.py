"""The files inside a tar, and where their bytes are."""

import functools
import os
import pathlib
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from alexnet_tf.errors import UserError


class Member(NamedTuple):
    """A file inside a tar.

    Attributes:
        name: its path inside the tar.
        tar: the tar file.
        offset: where its bytes begin in the tar file.
        size: number of bytes.
    """

    name: str
    tar: pathlib.Path
    offset: int
    size: int


def members(tar: pathlib.Path, dataset: str, offset: int = 0, size: int | None = None) -> Iterator[Member]:
    """Iterates over the files of a tar, reading only their headers.

    Args:
        tar: the tar file.
        dataset: name of the dataset, for messages.
        offset, size: where an inner tar lies in the tar file; the whole file if `size` is None.

    Raises:
        UserError: if it is not a tar, or truncated.
    """
    with open(tar, "rb") as file:
        end = os.fstat(file.fileno()).st_size if size is None else offset + size
        view = file if size is None else cast(BinaryIO, _View(file, offset, size))
        try:
            with tarfile.open(fileobj=view, mode="r:") as archive:
                for info in archive:
                    if info.isfile():
                        if offset + info.offset_data + info.size > end:
                            raise tarfile.ReadError(f"{info.name} is longer than the tar")
                        yield Member(info.name, tar, offset + info.offset_data, info.size)
        except tarfile.TarError as error:
            raise UserError(f"dataset {dataset!r} must be a complete tar file, got {str(tar)!r}: {error}") from error


def read_member(member: Member) -> bytes:
    """The bytes of a file inside a tar.

    Raises:
        OSError: if the tar cannot be read, or is truncated.
    """
    if hasattr(os, "pread"):
        # With an explicit offset, because many threads share one open file.
        data = os.pread(_descriptor(member.tar), member.size, member.offset)
    else:  # On Windows.
        with open(member.tar, "rb") as file:
            file.seek(member.offset)
            data = file.read(member.size)
    if len(data) != member.size:
        raise OSError(f"{member.tar} is truncated")
    return data


@functools.cache
def _descriptor(tar: pathlib.Path) -> int:
    return os.open(tar, os.O_RDONLY)


class _View:
    """A part of an open file as a file."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file, self._offset, self._size, self._position = file, offset, size, 0

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        self._position = position + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, count: int = -1) -> bytes:
        left = max(self._size - self._position, 0)
        self._file.seek(self._offset + self._position)
        data = self._file.read(left if count < 0 else min(count, left))
        self._position += len(data)
        return data
