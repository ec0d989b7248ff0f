"""A lock on a directory: one process at a time trains, prepares or exports there."""

import contextlib
import datetime
import importlib
import json
import os
import pathlib
import socket
import sys
from collections.abc import Iterator

from alexnet_tf.errors import UserError

LOCK = ".lock"  # Name of the lock file of a directory.

# What `flock` raises if another process holds the lock; and where a file system has no locks.
_HELD = (BlockingIOError, PermissionError)


@contextlib.contextmanager
def hold(file: pathlib.Path, work: str) -> Iterator[None]:
    """Holds a lock within the context. The operating system releases it if the process crashes or is killed.

    Args:
        file: the lock file, in an existing directory; removed at the end, except on Windows.
        work: what is being done and where, for the message in the second process: "training in 'runs/a'".

    Raises:
        UserError: at once, if another process holds it; names that process.
        OSError: if the file cannot be created.
    """
    descriptor = _acquire(file, work)
    try:
        since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode())
        yield
    finally:
        try:
            if os.name != "nt":
                file.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _acquire(file: pathlib.Path, work: str) -> int:
    """Opens and locks the file; returns its descriptor."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except _HELD as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise UserError(f"{work} must be done by one process at a time; {holder}") from error
        except OSError as error:
            reason = error.strerror or error
            print(f"no lock on {file} ({reason}): do not start two processes in one directory", file=sys.stderr)
        if os.name == "nt" or _is_file(descriptor, file):
            return descriptor
        os.close(descriptor)  # The one that held it has removed it meanwhile.


def _is_file(descriptor: int, file: pathlib.Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> None:
    if os.name == "nt":
        msvcrt = importlib.import_module("msvcrt")
        # Far behind the text, which others must be able to read.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl = importlib.import_module("fcntl")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(descriptor: int) -> str:
    """Who holds a lock, in words."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        fields = json.loads(os.read(descriptor, 4096))
        return f"process {fields['pid']} on {fields['host']} has been at it since {fields['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process has just begun"
