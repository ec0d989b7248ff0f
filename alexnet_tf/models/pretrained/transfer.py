"""Copies a file from a server over http: resumed after interruptions, and with limits on size and slowness."""

import contextlib
import http.client
import os
import pathlib
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from alexnet_tf.errors import SaveError
from alexnet_tf.models.pretrained.sources import Source

# A source is given up after so many interruptions in a row between which less than `PROGRESS` bytes arrive.
ATTEMPTS, PROGRESS = 4, 1 << 20
PAUSE = 1.0  # Seconds before the second attempt; doubled before each further one.
TIMEOUT = 30.0  # Seconds without any byte until a connection is taken for broken.
SLOWEST = 10_000  # Bytes a second, over `SLOW_SECONDS`, below which a source is given up.
SLOW_SECONDS = 30.0
MAX_BYTES = 1 << 30  # Of a file whose size is unknown. AlexNet's have 244 MB.
_CHUNK = 1 << 16
_TRY_AGAIN = (429, 500, 502, 503, 504)


class SourceError(Exception):
    """A source does not have the file, or not in usable form; the next one may."""


def transfer(source: Source, partial: pathlib.Path) -> None:
    """Downloads what is missing of a file, in as many connections as it takes.

    Args:
        source: where the file is; its digest is not checked here.
        partial: file to write; what an earlier transfer left there is continued, and stays if this one fails.

    Raises:
        SourceError: if the source does not give the file.
        SaveError: if it cannot be written.
    """
    attempts = 0
    with contextlib.closing(_Progress(source.file)) as progress:
        while True:
            before = _size(partial)
            try:
                return _connect(source, partial, before, progress)
            except urllib.error.HTTPError as error:
                if error.code == 416:  # What is there is as long as the file, or longer.
                    return
                reason = f"{error.code} {http.client.responses.get(error.code, '')}".strip()
                if error.code not in _TRY_AGAIN:
                    raise SourceError(reason) from error
            except (urllib.error.URLError, UnicodeError) as error:  # There is no such host, or no connection to it.
                raise SourceError(str(getattr(error, "reason", error))) from error
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
            attempts = 1 if _size(partial) - before >= PROGRESS else attempts + 1
            if attempts == ATTEMPTS:
                raise SourceError(reason)
            time.sleep(PAUSE * 2 ** (attempts - 1))


def _size(file: pathlib.Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _connect(source: Source, partial: pathlib.Path, start: int, progress: "_Progress") -> None:
    """Appends to a file of `start` bytes what one connection brings; begins anew if the server cannot continue."""
    headers = {"User-Agent": "alexnet-tf", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(source.download_url, headers=headers)
    with _OPENER.open(request, timeout=TIMEOUT) as response:
        if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            start = 0
        total = _total(source, response, start)
        if total and shutil.disk_usage(partial.parent).free < total - start:
            raise SaveError(f"{str(partial.parent)!r} must have {(total - start) / 1e6:,.0f} MB of free space")
        with _save_errors(partial):
            file = os.open(partial, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            os.ftruncate(file, start)
            os.lseek(file, start, os.SEEK_SET)
        try:
            position = _copy(source, response, file, start, total, progress)
        finally:
            os.close(file)
        if total is not None and position < total:
            raise ConnectionError("the connection was closed early")


def _total(source: Source, response: Any, start: int) -> int | None:
    """The size of the whole file by the headers of a response that has it from `start` on; None if they lack it.

    Raises:
        SourceError: if it is not the source's, or too large; or if nothing would tell a part from the whole file.
    """
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None
    if total is None and not source.digest and response.headers.get("Transfer-Encoding") != "chunked":
        raise SourceError("it does not say how long the file is")
    if source.size and total not in (None, source.size):
        raise SourceError(f"it has a file of {total:,} bytes instead of {source.size:,}")
    if total and total > MAX_BYTES:
        raise SourceError(f"it has a file of {total:,} bytes, more than {MAX_BYTES:,}")
    return total


def _copy(source: Source, response: Any, file: int, start: int, total: int | None, progress: "_Progress") -> int:
    """Copies a response to an open file from `start` on; returns the position that it reached."""
    position = measured = start
    since = time.monotonic()
    while chunk := response.read1(_CHUNK):
        with _save_errors(source.file):
            position += os.write(file, chunk)
        if position > (source.size or MAX_BYTES):
            raise SourceError(f"it sends more than {source.size or MAX_BYTES:,} bytes")
        progress.update(position, total)
        elapsed = time.monotonic() - since
        if elapsed >= SLOW_SECONDS:
            if position - measured < SLOWEST * elapsed:
                raise SourceError(f"it sends less than {SLOWEST:,} bytes a second")
            since, measured = time.monotonic(), position
    return position


@contextlib.contextmanager
def _save_errors(path: str | os.PathLike) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SaveError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error


class _StaySecure(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but none from https to anything else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise SourceError(f"it redirects to {newurl[:200]!r}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_StaySecure)


class _Progress:
    """Shows on stderr how much of a file is there: one changing line in a terminal, else a line every ten seconds."""

    def __init__(self, file: str) -> None:
        self._file, self._terminal = file, sys.stderr.isatty()
        self._shown, self._open_line = time.monotonic(), False

    def update(self, position: int, total: int | None) -> None:
        """Tells that `position` bytes of `total` are there."""
        now = time.monotonic()
        if now - self._shown < (0.5 if self._terminal else 10):
            return
        self._shown, self._open_line = now, self._terminal
        share = f" of {total / 1e6:,.0f} MB ({position / total:.0%})" if total else " MB"
        end = "\r" if self._terminal else "\n"
        print(f"downloading {self._file}: {position / 1e6:,.0f}{share}", end=end, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the line in a terminal."""
        if self._open_line:
            print(file=sys.stderr)
