"""Compares the files of an export with the SHA-256 sums in its manifest.

Equal sums tell that nothing was lost or changed by accident. They are no signature: who can change a file of an export
can change its manifest as well.
"""

import hashlib
import os
import pathlib
from collections.abc import Collection, Mapping

from alexnet_tf.errors import UserError

_CHUNK = 1 << 20


def sha256_of(file: str | os.PathLike) -> str:
    """The SHA-256 of a file in hexadecimal digits; empty if there is no regular file of that name."""
    if not os.path.isfile(file):
        return ""
    digest = hashlib.sha256()
    with open(file, "rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def files_below(directory: pathlib.Path) -> dict[str, pathlib.Path]:
    """{path inside the directory, with forward slashes: path} of everything but directories, links included."""
    paths = sorted(path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(directory).as_posix(): path for path in paths}


def check_files(directory: pathlib.Path, sha256: Mapping[str, str], unlisted: Collection[str] = ()) -> None:
    """Checks that a directory holds exactly the files that a manifest lists, unchanged.

    Args:
        directory: the export, or a directory inside it.
        sha256: {path below the directory: hexadecimal digest}.
        unlisted: files that may be there besides.

    Raises:
        UserError: naming the files that are missing, changed, or not listed.
    """
    files = files_below(directory)
    problems = {
        "missing": sha256.keys() - files.keys(),
        "changed": {name for name in sha256.keys() & files.keys() if sha256_of(files[name]) != sha256[name]},
        "not listed": files.keys() - sha256.keys() - set(unlisted),
    }
    text = "; ".join(
        f"{problem}: {', '.join(map(repr, sorted(names)))}" for problem, names in problems.items() if names
    )
    if text:
        raise UserError(f"{str(directory)!r} must hold the files that its manifest lists, unchanged, got {text:.1000}")


def check_file(file: pathlib.Path, sha256: Collection[str]) -> None:
    """Raises UserError unless a file, whatever its name, is one of those with the given sums."""
    if sha256_of(file) not in sha256:
        raise UserError(
            f"{str(file)!r} differs from the file that the manifest beside it lists: it is damaged or of another export"
        )
