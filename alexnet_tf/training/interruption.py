"""Ctrl-C and SIGTERM: they ask for a stop; the step in hand is finished and saved."""

import contextlib
import signal
import sys

import tensorflow as tf


class Interrupted(Exception):
    """Training was stopped by a signal; what was done is saved.

    Attributes:
        exit_code: 128 plus the signal's number, as a shell gives it: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, message, number):
        super().__init__(message)
        self.exit_code = 128 + number


class Stop:
    """A wish to stop, as a variable that compiled steps read: each worker adds its own to what all see.

    Attributes:
        requested: float32 scalar variable, 0 or 1.
        signal: number of the signal that came; SIGTERM's for a worker that only heard of it from another.
    """

    def __init__(self):
        self.requested = tf.Variable(0.0, trainable=False)
        self.signal = signal.SIGTERM

    def ask(self, number, frame=None):
        """Handles a signal; a second Ctrl-C ends the process at once."""
        self.signal = number
        self.requested.assign(1.0)
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
            print("\nstopping after this step; Ctrl-C again stops at once", file=sys.stderr)


@contextlib.contextmanager
def finishing_steps(stop):
    """Within the context, Ctrl-C and SIGTERM only ask for a stop."""
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, stop.ask)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
