"""The image files of a folder, and what only looks like one."""

import os
import pathlib
from collections.abc import Iterator

from alexnet_tf.data.file_split import check_classes
from alexnet_tf.data.held_out import FilesByClass

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")

# (name, why it is ignored).
Ignored = tuple[str, str]


def scan(root: pathlib.Path, name: str) -> tuple[FilesByClass[str], list[Ignored]]:
    """The image files of each subfolder of `root`, at any depth.

    Files without an image's suffix are left out.

    Args:
        root: the folder.
        name: of the dataset, for messages.

    Returns:
        {class name: sorted paths}, and what has an image's name but cannot be read as a file: reading a pipe would wait
        forever.

    Raises:
        UserError: if there are fewer than two classes, or one is empty.
    """
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    ignored: list[Ignored] = []
    classes = {folder.name: sorted(_files(str(folder), ignored)) for folder in folders}
    check_classes(classes, name, f"a subfolder of {root} with images ({', '.join(SUFFIXES)})")
    return classes, sorted(ignored)


def _files(folder: str, ignored: list[Ignored]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, ignored)
            elif entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
                why = _why_ignored(entry)
                if why:
                    ignored.append((_printable(entry.path), why))
                else:
                    yield entry.path


def _why_ignored(entry: os.DirEntry[str]) -> str:
    """Why an entry cannot be read as a file; empty if it can."""
    try:
        # Of the directory itself, which costs nothing; the file is looked up for links only.
        if not entry.is_file():
            return "not a regular file" if os.path.exists(entry.path) else "a link to nothing"
    except OSError as error:
        return error.strerror or str(error)
    try:
        entry.path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    return ""


def _printable(path: str) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")
