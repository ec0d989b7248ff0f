"""Ctrl-C and SIGTERM request a stop: the current step is completed and saved."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType

import tensorflow as tf

# The last is Ctrl-Break, the only one that a program on Windows can send to another.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


class Interrupted(Exception):
    """Training was stopped by a signal, and what was done is saved.

    Attributes:
        exit_code: 128 plus the number of the signal, as shells report it: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class StopRequested(Exception):
    """Raised where training notices the request, with a message that says where; not saved yet."""


class Stop:
    """A request to stop, as a variable that compiled steps read: they add up those of all workers.

    Attributes:
        requested: float32 scalar variable, 0 or 1.
        signal: number of the received signal; SIGTERM's in workers where only another one received it.
    """

    def __init__(self) -> None:
        self.requested = tf.Variable(0.0, trainable=False)
        self.signal: int = signal.SIGTERM

    def request(self, number: int, frame: FrameType | None = None) -> None:
        """Handles a signal; a second Ctrl-C ends the process at once."""
        self.signal = number
        self.requested.assign(1.0)
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
            print("\nStopping after this step. Press Ctrl-C again to stop at once.", file=sys.stderr)


@contextlib.contextmanager
def stopping_gracefully(stop: Stop) -> Iterator[None]:
    """Within the context, Ctrl-C and SIGTERM only request a stop."""
    before = {}
    try:
        for number in _SIGNALS:
            before[number] = signal.signal(number, stop.request)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
