"""Replaces one directory by another without a moment in between, where the operating system can do that."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import sys

# Of `renameat2` in linux/fs.h and `renamex_np` in macOS' stdio.h.
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2


def replace_directory(target: pathlib.Path, new: pathlib.Path, aside: pathlib.Path) -> None:
    """Moves a directory to the place of another one, which is removed.

    Linux and macOS exchange both names at once. Elsewhere, and on file systems that cannot do it, the old directory is
    renamed first; if the process is killed between the two renames, it is still there as `aside`.

    Args:
        target: the place; may be missing.
        new: the directory that takes it, in the same file system.
        aside: name for the old directory in the second case.
    """
    _sync(new)
    if not target.exists():
        new.rename(target)
    elif exchange(new, target):
        shutil.rmtree(new)
    else:
        target.rename(aside)
        try:
            new.rename(target)
        except OSError:
            aside.rename(target)
            raise
        shutil.rmtree(aside)


def exchange(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Exchanges the names of two directories at once; returns whether the system could do it."""
    if sys.platform not in ("linux", "darwin"):
        return False
    with contextlib.suppress(AttributeError, OSError):  # A C library without the function.
        library = ctypes.CDLL(None, use_errno=True)
        names = os.fsencode(one), os.fsencode(other)
        if sys.platform == "linux":
            return library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0
        return library.renamex_np(*names, _RENAME_SWAP) == 0
    return False


def _sync(directory: pathlib.Path) -> None:
    """Waits until all files of a directory are on the disk and not only in memory."""
    for file in directory.rglob("*"):
        if file.is_file():
            with open(file, "rb+") as opened:
                os.fsync(opened.fileno())
