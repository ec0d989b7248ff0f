"""Gets files of weights from the first of several sources that has them, checked by their sums, into Keras' cache."""

import contextlib
import hashlib
import os
import pathlib
import sys
import time
import warnings
from collections.abc import Iterator, Sequence

from alexnet_tf import locks, storage
from alexnet_tf.errors import SaveError, UserError
from alexnet_tf.models.pretrained.sources import MIRROR, Source
from alexnet_tf.models.pretrained.transfer import SourceError, transfer

_CHUNK = 1 << 20


class UncheckedWarning(UserWarning):
    """A file was downloaded whose sum is not known; the message has the sum that it has."""


def cache_directory() -> pathlib.Path:
    """Where downloaded weights are kept: Keras' cache, `~/.keras/models` unless `KERAS_HOME` is set."""
    return pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras") / "models"


def download(sources: Sequence[Source], weights: str) -> pathlib.Path:
    """The path of a file in the cache: one that is there already, or from the first source that has it.

    A file gets its name in the cache only when it is complete and its digest is right. What an interrupted download
    left is continued by the next one. If another process downloads the same file, this one waits for it.

    Args:
        sources: to try in turn.
        weights: what the user asked for, for messages.

    Raises:
        UserError: if no source has the file; the message says how else to get it.
        SaveError: if the cache cannot be written.

    Warns:
        UncheckedWarning: with the sum of a file for which none is known.
    """
    directory, problems = cache_directory(), []
    for source in sources:
        if _is_cached(source, directory):
            return _checked(source, directory, weights)
        if _file(source, directory).exists():
            problems.append(f"{_file(source, directory)}: damaged, or another file")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for source in sources:
            with _alone(_file(source, directory)):
                try:
                    if not _is_cached(source, directory):  # Another process may have downloaded it meanwhile.
                        _fetch(source, _file(source, directory))
                    return _checked(source, directory, weights)
                except SourceError as error:
                    problems.append(f"{source.download_url}: {error}")
    except OSError as error:
        raise SaveError(
            f"{str(directory)!r} must be writable for downloads, got: {error.strerror or error}. Set KERAS_HOME to "
            "another directory"
        ) from error
    raise UserError(_explanation(sources, weights, problems, directory))


def _file(source: Source, directory: pathlib.Path) -> pathlib.Path:
    return directory / f"{source.prefix}{source.file}"


def _is_cached(source: Source, directory: pathlib.Path) -> bool:
    file = _file(source, directory)
    return file.is_file() and source.matches(_digest(file, source.algorithm))


def _checked(source: Source, directory: pathlib.Path, weights: str) -> pathlib.Path:
    """The file, with a warning if nothing was known to check it by."""
    file = _file(source, directory)
    if not source.digest:
        warnings.warn(
            f"{weights} is not checked. To check it from now on, write {weights}#sha256={_digest(file, 'sha256')}",
            UncheckedWarning, stacklevel=6,
        )  # fmt: skip
    return file


@contextlib.contextmanager
def _alone(file: pathlib.Path) -> Iterator[None]:
    """Lets one process at a time download a file; the others wait."""
    lock = file.with_name(f".{file.name}.lock")
    with contextlib.ExitStack() as stack:
        waits = False
        while True:
            try:
                stack.enter_context(locks.hold(lock, f"the download of {file.name!r}"))
                break
            except UserError:
                if not waits:
                    print(f"waiting for another process that downloads {file.name}", file=sys.stderr)
                waits = True
                time.sleep(0.5)
        yield


def _fetch(source: Source, file: pathlib.Path) -> None:
    """Downloads a file from one source; raises SourceError if that fails or the file is another one."""
    # Sources of the same file continue each other's downloads.
    partial = file.with_name(f"{storage.PARTIAL}{source.digest[:16]}.{file.name}")
    resumed = partial.exists()
    transfer(source, partial)
    digest = _digest(partial, source.algorithm)
    if not source.matches(digest) and resumed:  # What was there may have been of another version of the file.
        partial.unlink()
        transfer(source, partial)
        digest = _digest(partial, source.algorithm)
    if not source.matches(digest):
        partial.unlink()
        raise SourceError(f"it sent another file, with {source.algorithm} {digest} instead of {source.sum}")
    storage.move(partial, file)


def _digest(file: pathlib.Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with open(file, "rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _explanation(sources: Sequence[Source], weights: str, problems: Sequence[str], directory: pathlib.Path) -> str:
    """What went wrong, and the three ways to get the file."""
    names = " or ".join(
        f"{_file(source, directory).name} ({f'{source.size:,} bytes, ' if source.size else ''}{source.sum})"
        for source in sources
    )
    return (
        f"weights={weights!r} cannot be downloaded ({'; '.join(problems)}). The file is {names}. Three ways to get it: "
        f"download it elsewhere, e.g. from {sources[0].url}, and pass its path as weights; or put it into {directory}; "
        f"or set {MIRROR} to the address of a server that has it under the same path"
    )
