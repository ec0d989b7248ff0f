"""Checkpoints: saved so that an interruption at any moment loses only the work since the last one."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from alexnet_tf import storage
from alexnet_tf.errors import SaveError, UserError
from alexnet_tf.runs import layout

KEPT, KEPT_BEST = 2, 1

_LIST = "checkpoint"  # By which TensorFlow's own functions find the newest.
# What TensorFlow raises for checkpoints that are cut short, corrupted, missing, or of another network.
_UNREADABLE = (tf.errors.OpError, IndexError, RuntimeError, AssertionError, ValueError)


class Checkpoints:
    """The checkpoints of a run in training: the last two, and the weights with the lowest validation error.

    TensorFlow writes a checkpoint into a hidden directory. From there its data are moved into place under a new number,
    then its index, and only then the oldest one is removed. So there is a complete checkpoint at every moment.

    Training waits while a checkpoint is written: 1.7 s for the full network on the disk of a CPU server. TensorFlow
    2.21's asynchronous checkpoints fail with Keras' variables at the second one.

    Args:
        workdir: directory of the run.
        state: {name: trackable} of everything that resuming needs, `model` among them.
        writes: whether this process saves. Every process reads.
    """

    def __init__(self, workdir: pathlib.Path, state: Mapping[str, Any], writes: bool = True) -> None:
        self._workdir, self._writes = workdir, writes
        self._state, self._best = tf.train.Checkpoint(**state), tf.train.Checkpoint(model=state["model"])
        self._size = sum(_size(value) for value in state.values())
        self._size_of_best = _size(state["model"])
        if writes:
            for directory in (workdir / layout.CHECKPOINTS, workdir / layout.BEST):
                sweep(directory)

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
        self._write(self._state, layout.CHECKPOINTS, self._size, KEPT)

    def save_best(self) -> None:
        """Replaces the best weights by the current ones; raises SaveError if they cannot be written."""
        self._write(self._best, layout.BEST, self._size_of_best, KEPT_BEST)

    def _write(self, checkpoint: tf.train.Checkpoint, name: str, size: int, kept: int) -> None:
        if not self._writes:
            return
        try:
            write(checkpoint, self._workdir / name, size, kept)
        except (OSError, tf.errors.OpError) as error:
            raise SaveError(
                f"checkpoint cannot be written: {_reason(error)}. The last one is {self.newest}. Free space in "
                f"{str(self._workdir)!r}, or make it writable, then rerun the same command to resume"
            ) from error


def write(checkpoint: tf.train.Checkpoint, directory: pathlib.Path, size: int, kept: int) -> None:
    """Writes a checkpoint with the next number into a directory, then removes all but the newest ones.

    Args:
        checkpoint: what to write.
        directory: where; created if missing.
        size: about how many bytes it has.
        kept: how many to keep, the new one included.

    Raises:
        OSError, tf.errors.OpError: if it cannot be written; the others are still there then.
    """
    directory.mkdir(exist_ok=True)
    numbers = _numbers(directory)
    name = f"ckpt-{max(numbers, default=0) + 1}"
    partial = directory / (storage.PARTIAL + name)
    try:
        storage.remove(partial)
        partial.mkdir()
        storage.check_space(partial / "space", size)
        checkpoint.write(str(partial / name))
        # By name, so that the index comes last: a checkpoint without one does not exist.
        for file in sorted(partial.iterdir()):
            storage.move(file, directory / file.name)
    finally:
        storage.remove(partial)
    storage.write_text(directory / _LIST, f'model_checkpoint_path: "{name}"\n')
    for number in numbers[max(0, kept - 1) :]:
        for file in sorted(directory.iterdir(), reverse=True):
            if file.name.startswith(f"ckpt-{number}."):
                storage.remove(file)


def sweep(directory: pathlib.Path) -> None:
    """Removes what a killed save left: temporary files, and data without an index."""
    if not directory.is_dir():
        return
    storage.sweep(directory)
    whole = {f"ckpt-{number}" for number in _numbers(directory)}
    for file in list(directory.iterdir()):
        if file.name.startswith("ckpt-") and file.name.partition(".")[0] not in whole:
            storage.remove(file)


def _numbers(directory: pathlib.Path) -> list[int]:
    """The numbers of the checkpoints in a directory, the newest first."""
    stems = [file.name.removesuffix(".index") for file in directory.iterdir() if file.name.endswith(".index")]
    numbers = [stem.removeprefix("ckpt-") for stem in stems if stem.startswith("ckpt-")]
    return sorted((int(number) for number in numbers if number.isdecimal()), reverse=True)


def candidates(directory: str | os.PathLike) -> list[str]:
    """Paths of the checkpoints in a directory, newest first; empty if there is no such directory."""
    directory = pathlib.Path(directory)
    return [str(directory / f"ckpt-{number}") for number in _numbers(directory)] if directory.is_dir() else []


def largest_size(directory: str | os.PathLike) -> int:
    """The size in bytes of the largest checkpoint in a directory, without its index; 0 if there is none."""
    sizes = [0]
    for file in [file for path in candidates(directory) for file in _data_files(path)]:
        with contextlib.suppress(FileNotFoundError):  # Another process has replaced it.
            sizes.append(file.stat().st_size)
    return max(sizes)


def _data_files(path: str) -> list[pathlib.Path]:
    start, directory = f"{pathlib.Path(path).name}.data-", pathlib.Path(path).parent
    return [file for file in directory.iterdir() if file.name.startswith(start) and file.is_file()]


def _check_regular(path: str) -> None:
    """Raises ValueError unless a checkpoint's files are regular ones: TensorFlow would wait for a pipe forever."""
    if not _data_files(path) or not pathlib.Path(f"{path}.index").is_file():
        raise ValueError("a file is missing, or not a regular file")


def restore_newest(checkpoint: tf.train.Checkpoint, directory: str | os.PathLike, partial: bool = False) -> str | None:
    """Restores the newest readable checkpoint of a directory, and reports unreadable ones on stderr.

    Another process may write and remove checkpoints meanwhile.

    Args:
        checkpoint: what to restore.
        directory: where the checkpoint files are.
        partial: whether `checkpoint` is only a part of what was saved.

    Returns:
        The path of the checkpoint, or None if the directory has none.

    Raises:
        UserError: if there are checkpoints, but none is readable.
    """
    tried: set[str] = set()
    while paths := [path for path in candidates(directory) if path not in tried]:
        path = paths[0]
        tried.add(path)
        try:
            _check_regular(path)
            status = checkpoint.read(path)
            (status.expect_partial() if partial else status).assert_existing_objects_matched()
            return path
        except _UNREADABLE as error:
            if pathlib.Path(f"{path}.index").exists():  # Else a newer one has replaced it.
                print(f"unreadable checkpoint {path}, trying an older one: {_reason(error)[:200]}", file=sys.stderr)
    if tried:
        raise UserError(f"no checkpoint in {str(directory)!r} is readable; move them away to start from scratch")
    return None


def _reason(error: Exception) -> str:
    return " ".join((getattr(error, "message", None) or str(error)).split())


def _size(state: Any) -> int:
    """About how many bytes a part of the state takes."""
    variables = state if isinstance(state, list) else getattr(state, "variables", [state])
    return sum(4 * (variable.shape.num_elements() or 1) for variable in variables if hasattr(variable, "shape"))


def random_states(model: keras.Model) -> list[tf.Variable]:
    """The random states of a model's dropout layers, which `tf.train.Checkpoint` does not track by itself."""
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout) and layer.rate > 0]
    return [layer.seed_generator.state.value for layer in dropouts]
