"""Workers contact each other before TensorFlow connects them.

TensorFlow waits forever for a worker that never starts, in a call that cannot be interrupted, and detects different
settings late. So workers first exchange their settings by themselves, at the addresses that TensorFlow uses afterwards.
"""

import json
import os
import socket
import socketserver
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf.errors import UserError

TIMEOUT_SECONDS = 45
_MAX_BYTES = 1 << 20  # Of a greeting, which another program may send without an end.
_PAUSE_SECONDS = 0.2


def meet(
    addresses: Sequence[str], index: int, settings: Mapping[str, Any], timeout_seconds: float = TIMEOUT_SECONDS
) -> None:
    """Waits until every worker has answered, and compares settings.

    Args:
        addresses: `host:port` of each worker.
        index: of this worker.
        settings: values that must be the same in every worker.
        timeout_seconds: how long to wait.

    Raises:
        UserError: if this worker's address cannot be used, a worker does not answer in time, or one has other settings.
    """
    greeting = json.dumps({"worker": index, "settings": settings}).encode() + b"\n"
    settings = json.loads(greeting)["settings"]  # As the others see them: JSON has no tuples.
    others = [number for number in range(len(addresses)) if number != index]
    with _Server(addresses[index], greeting) as server:
        deadline = time.monotonic() + timeout_seconds
        while missing := [number for number in others if number not in server.known]:
            if time.monotonic() > deadline:
                silent = ", ".join(addresses[number] for number in missing)
                raise UserError(f"all workers must answer within {timeout_seconds} s, got no answer from {silent}")
            for number in missing:
                server.known.update(_parsed(_call(addresses[number], greeting)))
            time.sleep(_PAUSE_SECONDS)
        for number in others:
            differences = _differences(settings, server.known[number])
            if differences:
                raise UserError(
                    f"all workers must have the same settings, but worker {number} differs in {differences}"
                )


def wait_for_end(addresses: Sequence[str], timeout_seconds: float = 10) -> None:
    """Waits until no process listens at any of some addresses, or the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and any(map(_answers, addresses)):
        time.sleep(_PAUSE_SECONDS / 4)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


class _Server(socketserver.ThreadingTCPServer):
    """Answers the greeting of every other worker with this worker's.

    Attributes:
        known: {worker: its settings}. Whichever of two workers calls, both know each other after the answer.
    """

    # Right after an earlier worker there. On Windows the option lets two programs listen at one address.
    allow_reuse_address = os.name != "nt"
    daemon_threads = True

    def __init__(self, address: str, greeting: bytes) -> None:
        self.greeting = greeting
        self.known: dict[int, dict[str, Any]] = {}
        try:
            super().__init__(("", int(address.rpartition(":")[2])), _Handler)
        except OSError as error:
            raise UserError(f"the address of this worker must be free, got {address}: {error.strerror}") from error

    def __enter__(self) -> "_Server":
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.shutdown()
        super().__exit__(*exception)


class _Handler(socketserver.StreamRequestHandler):
    timeout = 2
    server: _Server

    def handle(self) -> None:
        try:
            caller = _parsed(self.rfile.readline(_MAX_BYTES))
            self.wfile.write(self.server.greeting)
        except OSError:
            return  # It will call again.
        self.server.known.update(caller)


def _parsed(greeting: bytes) -> dict[int, dict[str, Any]]:
    """A greeting as {worker: its settings}; empty if it is from another program, e.g. TensorFlow's server."""
    try:
        message = json.loads(greeting)
        worker, settings = message["worker"], message["settings"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {worker: settings} if isinstance(worker, int) and isinstance(settings, dict) else {}


def _call(address: str, greeting: bytes) -> bytes:
    """The greeting of the worker at an address; empty if it does not answer."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=2) as connection, connection.makefile("rb") as answer:
            connection.sendall(greeting)
            return answer.readline(_MAX_BYTES)
    except OSError:
        return b""


def _differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    return "; ".join(f"{name}: {here.get(name)!r} here, {there.get(name)!r} there" for name in names)
