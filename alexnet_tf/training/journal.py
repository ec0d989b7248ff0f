"""What a run writes about itself: TensorBoard's events, `metrics.jsonl`, `train.log`, and lines on the screen."""

import json
import math
import pathlib
import resource
import sys
import time

import numpy as np
import tensorflow as tf

METRICS, LOG = "metrics.jsonl", "train.log"

# A loss within this share of ln(classes) for so many steps has not begun to fall.
STUCK_SHARE, STUCK_STEPS = 0.005, 500

# The ratio of the largest class to the smallest from which a run warns, and the classes whose counts are all shown.
UNEQUAL, NAMED = 10, 20


class Journal:
    """Writes down what a run measures; silent in workers that are not the chief.

    Every line of `metrics.jsonl` is an object with `kind` (`train` or `validation`), `step`, `epoch` and `time` (Unix
    seconds), and the values as in TensorBoard. `train.log` has what is said, for people.

    Args:
        workdir: `pathlib.Path` of the run.
        steps_per_epoch: int.
        writes: whether anything is written.
        step: the step from which the run goes on; what events say of later ones is void.
    """

    def __init__(self, workdir, steps_per_epoch, writes=True, step=0):
        self._workdir, self._steps_per_epoch, self._writes = workdir, steps_per_epoch, writes
        self._step, self._events = step, {}

    def events(self, kind):
        """The `tf.summary` writer of `logs/<kind>`; one alone: TensorBoard does not go back to a file it has left."""
        if kind not in self._events:
            directory = self._workdir / "logs" / kind
            directory.mkdir(parents=True, exist_ok=True)
            _begin(directory, self._step)
            self._events[kind] = tf.summary.create_file_writer(str(directory))
        return self._events[kind]

    def only_events(self):
        """A writer of `logs` itself, in place of what an earlier process wrote there."""
        for file in (self._workdir / "logs").glob("events.*"):
            file.unlink()
        return tf.summary.create_file_writer(str(self._workdir / "logs"))

    def write(self, kind, step, values):
        """Writes {name: number} as scalars and as a line of `metrics.jsonl`."""
        if not self._writes:
            return
        with self.events(kind).as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self.events(kind).flush()
        row = {"kind": kind, "step": step, "epoch": step / self._steps_per_epoch, "time": time.time(), **values}
        self._append(METRICS, json.dumps(row))

    def log(self, text):
        """Puts a line on the screen and into `train.log`."""
        if self._writes:
            print(text, file=sys.stderr)
            self._append(LOG, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")

    def _append(self, name, line):
        with open(self._workdir / name, "a") as file:
            file.write(line + "\n")


def read_metrics(workdir, kind):
    """What a run's `metrics.jsonl` says.

    Args:
        workdir: directory of the run.
        kind: `"train"` or `"validation"`.

    Returns:
        A list of rows as dictionaries, by rising step; of steps that were done again after a kill, the last. A line
        that a kill has cut short is left out.

    Raises:
        ValueError: if the directory has no `metrics.jsonl`.
    """
    path = pathlib.Path(workdir) / METRICS
    if not path.is_file():
        raise ValueError(f"workdir must hold a run with {METRICS}. Received: workdir={str(workdir)!r}")
    rows = {row["step"]: row for row in map(_parsed, path.read_text().splitlines()) if row and row["kind"] == kind}
    return [rows[step] for step in sorted(rows)]


def _parsed(line):
    """A line's object; None if it is cut short, and maybe run into the next."""
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _begin(directory, step):
    """Marks a start among a directory's events: at a second one TensorBoard forgets later steps, at step 0 all."""
    start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    events = [
        tf.compat.v1.Event(file_version="brain.Event:2"),
        tf.compat.v1.Event(step=step + 1 if step else 0, session_log=start),
    ]
    # TensorBoard reads files in the order of their names: after all that are there, before the next, which has more.
    with tf.io.TFRecordWriter(str(directory / f"events.out.tfevents.{int(time.time())}")) as file:
        for event in events:
            file.write(event.SerializeToString())


class Meter:
    """Adds up what steps did between two lines of the journal."""

    def __init__(self, batch_size):
        self._batch_size = batch_size
        self._begin(time.monotonic())

    def _begin(self, now):
        self._sums, self._steps, self._waited, self._begun = 0.0, 0, 0.0, now

    def add(self, steps, sums, waited):
        """Adds some steps: their float64 (4,) `evaluate.sums`, and the seconds they waited for batches."""
        self._sums, self._steps, self._waited = self._sums + sums, self._steps + steps, self._waited + waited

    def take(self):
        """{name: number} of all since the last time, means over examples and over steps; begins anew."""
        top1, top5, loss, count = self._sums
        now = time.monotonic()
        seconds = now - self._begun
        share = 1 / count if count else float("nan")
        values = {
            "loss": loss * share,
            "top1_error": 1 - top1 * share,
            "top5_error": 1 - top5 * share,
            "images_per_second": self._steps * self._batch_size / seconds,
            "step_seconds": seconds / self._steps,
            "input_seconds": self._waited / self._steps,
            "compute_seconds": (seconds - self._waited) / self._steps,
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        self._begin(now)
        return values


def class_counts(labels, class_names):
    """Lines that say how many training images the classes have, and warn where they are far from equal.

    Args:
        labels: int64 (images,).
        class_names: tuple of str.
    """
    counts = np.bincount(labels, minlength=len(class_names))
    named = [f"{name} {count:,}" for name, count in zip(class_names, counts, strict=True)]
    least, most = named[counts.argmin()], named[counts.argmax()]
    lines = [f"images to train on: {', '.join(named) if len(named) <= NAMED else f'from {least} to {most}'}"]
    if counts.max() > UNEQUAL * counts.min():
        lines.append(
            f"warning: the classes are far from equal, from {least} to {most}: the network will favor the large ones, "
            "and the error says little of the small ones; see the error of each class"
        )
    return lines


class StuckLoss:
    """Notices a loss that stays at ln(classes), where a network that has no opinion is, and says so once."""

    def __init__(self, classes):
        self._level, self._since, self._said = math.log(classes), None, False

    def check(self, step, loss, rate):
        """Returns a warning, or None."""
        if abs(loss / self._level - 1) > STUCK_SHARE:
            self._since = None
        elif self._since is None:
            self._since = step
        elif step - self._since >= STUCK_STEPS and not self._said:
            self._said = True
            return (
                f"warning: the loss has stayed at ln(classes) = {self._level:.3f} since step {self._since}: the "
                f"network answers the same for every image. Likely reasons: a start that does not fit "
                f"(--initialization=he), a rate too low or too high (it is {rate:g} now), or labels that do not belong "
                "to the images"
            )
        return None
