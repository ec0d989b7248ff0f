"""Metrics and timings of the steps between two lines of the log."""

import sys
import time

import numpy as np

from alexnet_tf.evaluation.metrics import Sums
from alexnet_tf.training.step import StepResult


class Meter:
    """Adds up steps until their means are taken.

    Args:
        batch_size: images per step, over all devices.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._reset(time.monotonic())

    def _reset(self, now: float) -> None:
        self._sums, self._steps, self._input_seconds, self._start = np.zeros(len(Sums._fields)), 0, 0.0, now

    def add(self, steps: int, result: StepResult) -> None:
        """Adds the result of a number of steps."""
        self._sums += result.sums
        self._steps += steps
        self._input_seconds += result.input_seconds

    def take(self) -> dict[str, float]:
        """The means over all examples and steps since the last call, by name; starts anew."""
        metrics = Sums(*self._sums.tolist()).metrics()
        now = time.monotonic()
        seconds = now - self._start
        values = {
            "loss": metrics.loss,
            "top1_error": metrics.top1_error,
            "top5_error": metrics.top5_error,
            "images_per_second": self._steps * self._batch_size / seconds,
            "step_seconds": seconds / self._steps,
            "input_seconds": self._input_seconds / self._steps,
            "compute_seconds": (seconds - self._input_seconds) / self._steps,
        }
        memory = peak_memory_mb()
        self._reset(now)
        return values if memory is None else {**values, "memory_mb": memory}


def peak_memory_mb() -> float | None:
    """The most memory that this process has used, in MiB; None where the platform does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
