"""Reading and writing the small files that runs, exports and prepared datasets consist of."""

import contextlib
import json
import os
import pathlib
import shutil
import stat
import time
from collections.abc import Iterator
from typing import Any

from alexnet_tf.errors import SaveError, UserError

FORMAT_VERSION = "format_version"
PARTIAL = ".partial."  # How the names of temporary files and directories start.
_MAX_JSON = 64_000_000  # Bytes. Parsed, lists of lists take 25 times as much memory.
_GLOB_CHARACTERS = "*?[]" + ("\\" if os.sep == "/" else "")
# Windows refuses to replace a file while another program, such as a virus scanner, has it open.
_REPLACE_SECONDS = 2.0 if os.name == "nt" else 0.0


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, size: int = 0) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path`; what was written there replaces `path` when the block ends.

    Readers see the old file or the new one, never a part of one: the new file is flushed to the disk and then renamed.
    If the block or the renaming fails, the temporary file is removed and `path` stays as it was. The temporary name
    keeps the suffixes of `path`, by which many writers choose a format.

    Args:
        path: of the file to write.
        size: of a large file, about how many bytes will be written; the disk is asked for them first.

    Raises:
        SaveError: if the operating system refuses to write.
    """
    path = pathlib.Path(path)
    partial = path.with_name(PARTIAL + path.name)
    try:
        if size:
            check_space(partial, size)
        yield partial
        move(partial, path)
    except OSError as error:
        raise SaveError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def move(source: pathlib.Path, target: pathlib.Path) -> None:
    """Replaces a file by another of the same file system, once that one is on the disk and not only in memory."""
    with open(source, "rb+") as file:
        os.fsync(file.fileno())
    deadline = time.monotonic() + _REPLACE_SECONDS
    while True:
        try:
            return os.replace(source, target)
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


def sweep(directory: pathlib.Path) -> None:
    """Removes what writers that were killed left in a directory; call it only if no other process writes there."""
    for leftover in [path for path in directory.iterdir() if path.name.startswith(PARTIAL)]:
        remove(leftover)


def remove(path: pathlib.Path) -> None:
    """Removes a file, or a directory with all that is inside, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_no_globs(name: str, path: str | os.PathLike) -> None:
    """Raises UserError if a path has characters that TensorFlow takes for patterns.

    TensorFlow looks for the files of a checkpoint or SavedModel with patterns: in `runs/r?` it would find, and delete,
    those of `runs/ra`.

    Args:
        name: of the argument, for the message.
        path: the path; the directories above it and those that it links to must not have them either.
    """
    for full in (pathlib.Path(os.path.abspath(path)), pathlib.Path(path).resolve()):
        bad = sorted(set(str(full)) & set(_GLOB_CHARACTERS))
        if bad:
            raise UserError(
                f"{name} must not contain any of {' '.join(_GLOB_CHARACTERS)} in its full path, for TensorFlow takes "
                f"them for patterns, got {str(full)!r}; rename it"
            )


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


def read_bytes(path: str | os.PathLike, at_most: int = 1 << 30) -> bytes:
    """Reads a file.

    Args:
        path: of the file.
        at_most: size in bytes of the largest file that is read.

    Raises:
        UserError: if the file is missing, cannot be read, is larger, or is not a regular one. To read a pipe or a
            device might never end.
    """
    path = pathlib.Path(path)
    try:
        information = path.stat()
        if not stat.S_ISREG(information.st_mode):
            raise UserError(f"{str(path)!r} cannot be read: it is not a regular file")
        if information.st_size > at_most:
            raise UserError(f"{str(path)!r} must have at most {at_most:,} bytes, got {information.st_size:,}")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error.strerror}") from error


def parse_json(path: str | os.PathLike) -> Any:
    """Reads a JSON file; raises UserError if it is missing, too large or not valid."""
    data = read_bytes(path, _MAX_JSON)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # The latter for thousands of nested lists.
        raise UserError(f"{str(path)!r} is not valid JSON: {error}") from error


def read_json(path: str | os.PathLike, version: int) -> dict[str, Any]:
    """Reads the JSON object that `write_json` wrote, without its format version.

    Raises:
        UserError: if the file is missing, is not such an object, or has another format version.
    """
    fields = parse_json(path)
    check_version(path, fields, version)
    return {name: value for name, value in fields.items() if name != FORMAT_VERSION}


def check_version(path: str | os.PathLike, fields: Any, version: int) -> None:
    """Raises UserError unless `fields`, read from `path`, is a dictionary of that format version."""
    found = fields.get(FORMAT_VERSION) if isinstance(fields, dict) else None
    if found != version:
        raise UserError(
            f"{str(path)!r} must have {FORMAT_VERSION} {version}, which this version of alexnet-tf reads and writes. "
            f"Received: {found!s:.100}"
        )


def check_space(partial: pathlib.Path, size: int) -> None:
    """Raises OSError if the disk, a quota or a limit on the size of files has no room for a file of so many bytes.

    Many libraries leave torn files, or crash, where a disk fills up while they write.
    """
    free = shutil.disk_usage(partial.parent).free
    if free < size:
        raise OSError(f"it needs {size / 1e6:,.0f} MB of free space, got {free / 1e6:,.0f} MB")
    if hasattr(os, "posix_fallocate"):
        with open(partial, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        partial.unlink()
