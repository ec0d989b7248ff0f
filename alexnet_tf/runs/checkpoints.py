"""Checkpoints: saved so that an interruption at any moment loses only the work since the last one."""

import os
import pathlib
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from alexnet_tf.errors import SaveError, UserError
from alexnet_tf.runs import layout

KEPT = 2

# What TensorFlow raises for checkpoints that are cut short, corrupted, missing, or of another network.
_UNREADABLE = (tf.errors.OpError, IndexError, RuntimeError, AssertionError, ValueError)


class Checkpoints:
    """The checkpoints of a run in training: the last two, and the weights with the lowest validation error.

    TensorFlow writes a checkpoint under a temporary name, renames it, marks it as the latest, and only then removes the
    oldest one. So there is a complete checkpoint at every moment.

    Training waits while a checkpoint is written: 1.7 s for the full network on the disk of a CPU server. TensorFlow
    2.21's asynchronous checkpoints fail with Keras' variables at the second one.

    Args:
        workdir: directory of the run.
        state: {name: trackable} of everything that resuming needs, `model` among them.
        writes: whether this process saves. Every process reads.
    """

    def __init__(self, workdir: pathlib.Path, state: Mapping[str, Any], writes: bool = True) -> None:
        self._workdir, self._writes = workdir, writes
        self._state = tf.train.Checkpoint(**state)
        best = tf.train.Checkpoint(model=state["model"])
        self._last = tf.train.CheckpointManager(self._state, workdir / layout.CHECKPOINTS, max_to_keep=KEPT)
        self._best = tf.train.CheckpointManager(best, workdir / layout.BEST, max_to_keep=1)

    @property
    def newest(self) -> str | None:
        """The path of the newest checkpoint."""
        return next(iter(candidates(self._workdir / layout.CHECKPOINTS)), None)

    def restore(self) -> None:
        """Restores the newest readable checkpoint; does nothing if there is none at all.

        Raises:
            UserError: if there are checkpoints, but none is readable.
        """
        restore_newest(self._state, self._workdir / layout.CHECKPOINTS)

    def save(self) -> None:
        """Saves the whole state.

        Raises:
            SaveError: if it cannot be written.
        """
        self._write(self._last)

    def save_best(self) -> None:
        """Replaces the best weights by the current ones; raises SaveError if they cannot be written."""
        self._write(self._best)

    def _write(self, manager: tf.train.CheckpointManager) -> None:
        if not self._writes:
            return
        try:
            manager.save()
        except (OSError, tf.errors.OpError) as error:
            _remove_leftovers(pathlib.Path(manager.directory))
            raise SaveError(
                f"checkpoint cannot be written: {_reason(error)}. The last one is {self.newest}. Free space in "
                f"{str(self._workdir)!r}, or make it writable, then rerun the same command to resume"
            ) from error


def candidates(directory: str | os.PathLike) -> list[str]:
    """Paths of the checkpoints in a directory, newest first, whether or not TensorFlow's own list names them."""
    indices = pathlib.Path(directory).glob("ckpt-*.index")
    numbered = sorted((int(file.stem.split("-")[1]), file) for file in indices if file.stem.split("-")[1].isdigit())
    return [str(file.with_suffix("")) for _, file in reversed(numbered)]


def restore_newest(checkpoint: tf.train.Checkpoint, directory: str | os.PathLike, partial: bool = False) -> str | None:
    """Restores the newest readable checkpoint of a directory, and reports unreadable ones on stderr.

    Args:
        checkpoint: what to restore.
        directory: where the checkpoint files are.
        partial: whether `checkpoint` is only a part of what was saved.

    Returns:
        The path of the checkpoint, or None if the directory has none.

    Raises:
        UserError: if there are checkpoints, but none is readable.
    """
    paths = candidates(directory)
    for path in paths:
        try:
            status = checkpoint.restore(path)
            (status.expect_partial() if partial else status).assert_existing_objects_matched()
            return path
        except _UNREADABLE as error:
            print(f"unreadable checkpoint {path}, trying an older one: {_reason(error)[:200]}", file=sys.stderr)
    if paths:
        raise UserError(f"no checkpoint in {str(directory)!r} is readable; move them away to start from scratch")
    return None


def _reason(error: Exception) -> str:
    return " ".join((getattr(error, "message", None) or str(error)).split())


def _remove_leftovers(directory: pathlib.Path) -> None:
    """Removes the partial files of a failed save, which would fill the disk further."""
    for leftover in directory.glob("ckpt-*_temp"):
        shutil.rmtree(leftover, ignore_errors=True)
    for leftover in directory.glob("ckpt-*.tempstate*"):
        leftover.unlink(missing_ok=True)


def random_states(model: keras.Model) -> list[tf.Variable]:
    """The random states of a model's dropout layers, which `tf.train.Checkpoint` does not track by itself."""
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout) and layer.rate > 0]
    return [layer.seed_generator.state.value for layer in dropouts]
