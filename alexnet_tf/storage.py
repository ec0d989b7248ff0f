"""Reading and writing the small files that runs, exports and prepared datasets consist of."""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from alexnet_tf.errors import SaveError, UserError

FORMAT_VERSION = "format_version"


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path`; what was written there replaces `path` when the block ends.

    Readers see the old file or the new one, never a part of one: the new file is flushed to the disk and then renamed.
    If the block or the renaming fails, the temporary file is removed and `path` stays as it was. The temporary name
    keeps the suffixes of `path`, by which many writers choose a format.

    Raises:
        SaveError: if the operating system refuses to write.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f".partial.{path.name}")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise SaveError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file with `atomic_write`."""
    with atomic_write(path) as partial:
        partial.write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a UTF-8 text file with `atomic_write`."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, fields: dict[str, Any], version: int) -> None:
    """Writes a JSON object with its format version with `atomic_write`."""
    write_text(path, json.dumps({FORMAT_VERSION: version, **fields}, indent=2) + "\n")


def read_json(path: str | os.PathLike, version: int) -> dict[str, Any]:
    """Reads the JSON object that `write_json` wrote, without its format version.

    Raises:
        UserError: if the file is missing, is not such an object, or has another format version.
    """
    path = pathlib.Path(path)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{str(path)!r} is not valid JSON: {error}") from error
    check_version(path, fields, version)
    return {name: value for name, value in fields.items() if name != FORMAT_VERSION}


def check_version(path: str | os.PathLike, fields: Any, version: int) -> None:
    """Raises UserError unless `fields`, read from `path`, is a dictionary of that format version."""
    found = fields.get(FORMAT_VERSION) if isinstance(fields, dict) else None
    if found != version:
        raise UserError(
            f"{str(path)!r} must have {FORMAT_VERSION} {version}, which this version of alexnet-tf reads and writes. "
            f"Received: {found}"
        )


def check_free_space(directory: str | os.PathLike, wanted: int) -> None:
    """Raises SaveError if the file system of an existing directory has fewer than `wanted` bytes left."""
    free = shutil.disk_usage(directory).free
    if free < wanted:
        raise SaveError(
            f"{str(directory)!r} needs {wanted / 1e6:,.0f} MB of free space. Received: {free / 1e6:,.0f} MB"
        )
