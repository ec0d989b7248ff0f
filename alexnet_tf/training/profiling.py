"""`--profile=START,COUNT`: a trace of some steps, for TensorBoard's profiler."""

import contextlib

import tensorflow as tf


def parse(text):
    """The steps that START,COUNT names, as a `range`; None for None.

    Raises:
        ValueError: if it is not two whole numbers, the first at least 0 and the second at least 1.
    """
    if text is None:
        return None
    start, _, count = text.partition(",")
    if not (start.isdecimal() and count.isdecimal() and int(count) > 0):
        raise ValueError(
            "profile must be START,COUNT: how many steps before the trace, at least 0, and how many in it, at least 1. "
            f"Received: profile={text!r}"
        )
    return range(int(start), int(start) + int(count))


def check(steps, total_steps):
    """Raises ValueError if the steps, a `range` or None, reach beyond a run's last."""
    if steps and steps.stop > total_steps:
        raise ValueError(
            f"profile must lie within the {total_steps} steps of the run. "
            f"Received: profile={steps.start},{len(steps)}, which ends at step {steps.stop}"
        )


class Trace:
    """Traces some steps of a run, once.

    Args:
        steps: `range`, or None for no trace.
        logdir: where `plugins/profile` is written.
    """

    def __init__(self, steps, logdir):
        self._steps, self._logdir, self._running = steps or range(0), logdir, False

    def end_of_call(self, step, end):
        """The step at which a call that begins at `step` and may go on to `end` has to end: at a bound of the trace."""
        return min([end, *(bound for bound in (self._steps.start, self._steps.stop) if bound > step)])

    @contextlib.contextmanager
    def call(self, step, end):
        """Put round the call that takes the run from one step to another."""
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

    def close(self):
        """Ends a trace that is running and writes it."""
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()
