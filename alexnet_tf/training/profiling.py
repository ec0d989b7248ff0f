"""`--profile=START,COUNT`: a trace of some steps, for TensorBoard's profiler."""

import contextlib
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from alexnet_tf.errors import UserError


def parse(text: str | None) -> range | None:
    """The steps of START,COUNT; None for None.

    Raises:
        UserError: if the text is not two whole numbers, START at least 0 and COUNT at least 1.
    """
    if text is None:
        return None
    start, _, count = text.partition(",")
    if not (start.isdecimal() and count.isdecimal() and int(count) > 0):
        raise UserError(
            f"profile must be START,COUNT with a START of at least 0 and a COUNT of at least 1, got {text!r}"
        )
    return range(int(start), int(start) + int(count))


def check(steps: range | None, total_steps: int) -> None:
    """Raises UserError if steps to trace lie beyond the last step of a run."""
    if steps and steps.stop > total_steps:
        raise UserError(
            f"profile must lie within the {total_steps} steps of the run, got {steps.start},{len(steps)}, which ends "
            f"at step {steps.stop}"
        )


class Trace:
    """Traces some steps of a run, once.

    Args:
        steps: which steps; None for no trace.
        logdir: directory in which `plugins/profile` is written.
    """

    def __init__(self, steps: range | None, logdir: pathlib.Path) -> None:
        self._steps, self._logdir, self._running = steps or range(0), logdir, False

    def end_of_call(self, step: int, end: int) -> int:
        """Where a call from `step` that may run up to `end` must end, so that none crosses a bound of the trace."""
        return min([end, *(bound for bound in (self._steps.start, self._steps.stop) if bound > step)])

    @contextlib.contextmanager
    def call(self, step: int, end: int) -> Iterator[None]:
        """A context for the call from `step` to `end`, which traces it if it is to be traced."""
        if self._steps and step == self._steps.start:
            tf.profiler.experimental.start(str(self._logdir))
            self._running = True
        if not self._running:
            yield
            return
        with tf.profiler.experimental.Trace("train", step_num=step, _r=1):
            yield
        if end >= self._steps.stop:
            self.close()

    def close(self) -> None:
        """Ends a running trace and writes it."""
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()
