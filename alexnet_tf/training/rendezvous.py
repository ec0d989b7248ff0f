"""Workers meet before TensorFlow is asked to connect them.

TensorFlow waits for ever for a worker that never comes, in a call that nothing can interrupt, and finds out late that
workers do not do the same. So they first shake hands by themselves, at the addresses that TensorFlow uses after them.
"""

import json
import socket
import socketserver
import threading
import time

SECONDS = 45
_PAUSE = 0.2


def meet(addresses, index, terms, seconds=SECONDS):
    """Waits until all workers have met.

    Args:
        addresses: `host:port` of each worker.
        index: which of them this process is.
        terms: flat dictionary that must be the same in every worker.
        seconds: how long to wait.

    Raises:
        ValueError: if this worker's address cannot be used, another's terms differ, or one did not come in time.
    """
    hello = json.dumps({"worker": index, "terms": terms}).encode() + b"\n"
    terms = json.loads(hello)["terms"]  # As the others see them: JSON has no tuples.
    others = [number for number in range(len(addresses)) if number != index]
    with _Server(addresses[index], hello) as server:
        deadline = time.monotonic() + seconds
        while missing := [number for number in others if number not in server.met]:
            if time.monotonic() > deadline:
                silent = ", ".join(addresses[number] for number in missing)
                raise ValueError(f"all workers must be reached within {seconds} s. No answer from {silent}")
            for number in missing:
                server.met.update(_understood(_call(addresses[number], hello)))
            time.sleep(_PAUSE)
        for number in others:
            differences = _differences(terms, server.met[number])
            if differences:
                raise ValueError(f"all workers must be started alike. Worker {number} differs in {differences}")


class _Server(socketserver.ThreadingTCPServer):
    """ClassificationReport every other worker's greeting with this one's.

    Attributes:
        met: {worker: its terms}; whichever of two workers calls, both know each other after the answer.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, hello):
        self.hello, self.met = hello, {}
        try:
            super().__init__(("", int(address.rpartition(":")[2])), _Handler)
        except OSError as error:
            raise ValueError(f"this worker's address cannot be used: {error.strerror}. Received: {address}") from error

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return super().__enter__()

    def __exit__(self, *exception):
        self.shutdown()
        super().__exit__(*exception)


class _Handler(socketserver.StreamRequestHandler):
    timeout = 2

    def handle(self):
        try:
            caller = _understood(self.rfile.readline())
            self.wfile.write(self.server.hello)
        except OSError:
            return  # It calls again.
        self.server.met.update(caller)


def _understood(greeting):
    """A greeting as {worker: its terms}; empty if it is from somebody else, e.g. TensorFlow's server of another run."""
    try:
        message = json.loads(greeting)
        return {message["worker"]: message["terms"]}
    except (ValueError, KeyError, TypeError):
        return {}


def _call(address, hello):
    """The greeting of the worker at an address, or nothing."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=2) as connection, connection.makefile("rb") as answer:
            connection.sendall(hello)
            return answer.readline()
    except OSError:
        return b""


def _differences(here, there):
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    return "; ".join(f"{name}: {here.get(name)!r} here, {there.get(name)!r} there" for name in names)
