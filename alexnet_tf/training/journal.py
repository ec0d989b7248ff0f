"""What a run records: TensorBoard's scalars, `metrics.jsonl`, `train.log`, and lines on the screen."""

import pathlib
import sys
import time
from collections.abc import Mapping

import tensorflow as tf

from alexnet_tf.runs import layout
from alexnet_tf.runs.metrics_log import append_metrics

# TensorBoard sorts groups by name, and opens on the first: loss, errors and learning rate, before layers and speed.
_SPEED = ("images_per_second", "step_seconds", "input_seconds", "compute_seconds", "memory_mb")


def tag(metric: str) -> str:
    """TensorBoard's tag for a metric."""
    return f"speed/{metric}" if metric in _SPEED else f"metrics/{metric}"


class Journal:
    """Records metrics and messages of a run; does nothing in workers that are not the chief.

    Args:
        workdir: directory of the run.
        steps_per_epoch: length of an epoch.
        writes: whether anything is recorded.
        step: the step from which the run resumes; TensorBoard drops events of later steps.
    """

    def __init__(self, workdir: pathlib.Path, steps_per_epoch: int, writes: bool = True, step: int = 0) -> None:
        self._workdir, self._steps_per_epoch, self._writes, self._step = workdir, steps_per_epoch, writes, step
        self._events: dict[str, tf.summary.SummaryWriter] = {}

    def events(self, kind: str) -> tf.summary.SummaryWriter:
        """The writer of `logs/<kind>`; always the same, since TensorBoard does not return to an earlier file."""
        if kind not in self._events:
            directory = self._workdir / layout.EVENTS / kind
            directory.mkdir(parents=True, exist_ok=True)
            _mark_start(directory, self._step)
            self._events[kind] = tf.summary.create_file_writer(str(directory))
        return self._events[kind]

    def only_events(self) -> tf.summary.SummaryWriter:
        """A writer of `logs` itself, which replaces what an earlier process wrote there."""
        directory = self._workdir / layout.EVENTS
        for file in directory.glob("events.*"):
            file.unlink()
        return tf.summary.create_file_writer(str(directory))

    def write(self, kind: str, step: int, metrics: Mapping[str, float]) -> None:
        """Records metrics as TensorBoard's scalars and as a line of `metrics.jsonl`.

        Args:
            kind: `"train"` or `"validation"`.
            step: number of steps done.
            metrics: by name.
        """
        if not self._writes:
            return
        with self.events(kind).as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(tag(name), value)
        self.events(kind).flush()
        row = {"kind": kind, "step": step, "epoch": step / self._steps_per_epoch, "time": time.time(), **metrics}
        append_metrics(self._workdir, row)

    def log(self, text: str) -> None:
        """Prints a message on stderr and appends it to `train.log`."""
        if not self._writes:
            return
        print(text, file=sys.stderr)
        with open(self._workdir / layout.LOG, "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")


def _mark_start(directory: pathlib.Path, step: int) -> None:
    """Writes an event that marks a start: TensorBoard then drops earlier events of later steps, at step 0 all."""
    start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    events = [
        tf.compat.v1.Event(file_version="brain.Event:2"),
        tf.compat.v1.Event(step=step + 1 if step else 0, session_log=start),
    ]
    # TensorBoard reads files in the order of their names: this one after all that exist, and before the next one.
    with tf.io.TFRecordWriter(str(directory / f"events.out.tfevents.{int(time.time())}")) as file:
        for event in events:
            file.write(event.SerializeToString())
