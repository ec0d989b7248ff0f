"""Hides lines that native libraries print to stderr at every call, whatever their log level."""

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType
from typing import IO

# Lines of TensorFlow's log, which version 2.20 prints whatever its log level.
LOG_LINES = "WARNING: All log messages|[IW][0-9]{4} "

# Files in memory: writable in most containers, however read-only.
_MEMORY = "/dev/shm"


@contextlib.contextmanager
def without_stderr_lines(pattern: str) -> Iterator[None]:
    """Holds back what this process writes to stderr, C++ included; lines that do not match are shown at the end.

    If the block fails, or there is nowhere to hold lines back, all lines are shown.

    Args:
        pattern: regular expression, matched from the start of each line.
    """
    hidden, buffer = re.compile(pattern.encode()), _buffer()
    if buffer is None:
        yield
        return
    with buffer as held_back:
        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden = re.compile(b"(?!)")  # Matches nothing.
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            held_back.seek(0)
            for line in held_back:
                if not hidden.match(line):
                    os.write(stderr, line)
            os.close(stderr)


def _buffer() -> IO[bytes] | None:
    """A file in memory or, off Linux, in the temporary directory; None if there is none, as in some containers."""
    try:
        if hasattr(os, "memfd_create"):
            return open(os.memfd_create("stderr"), "w+b")
        return tempfile.TemporaryFile()
    except OSError:
        return None


def import_tensorflow() -> ModuleType:
    """Imports TensorFlow without the lines that it prints at every start, whatever its log level.

    With `TF_CPP_MIN_LOG_LEVEL` set to 0 or 1, everything is shown.
    """
    _ensure_temporary_directory()
    quiet = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2") in ("2", "3")
    with without_stderr_lines("") if quiet else contextlib.nullcontext():
        tensorflow = importlib.import_module("tensorflow")
        tensorflow.config.list_physical_devices()  # Looks for GPUs, and reports on them.
    return tensorflow


def _ensure_temporary_directory() -> None:
    """Chooses a temporary directory where there is none, as in read-only containers: TensorFlow writes small files."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        if os.access(_MEMORY, os.W_OK):
            tempfile.tempdir = _MEMORY
            return
        # TensorFlow asks for the directory of tests that it never runs, and cannot be imported without.
        os.environ.setdefault("TEST_TMPDIR", os.path.abspath(os.sep))
        print("no writable temporary directory, without which only labeling works: set TMPDIR to one", file=sys.stderr)
