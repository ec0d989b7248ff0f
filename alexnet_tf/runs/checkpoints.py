"""What is saved of a run, so that no moment of interruption costs more than was done since."""

import pathlib
import shutil
import sys

import keras
import tensorflow as tf

LAST, BEST = "checkpoints", "best"
KEPT = 2

# What TensorFlow raises for files that are cut short, changed, gone, or another network's.
_UNREADABLE = (tf.errors.OpError, IndexError, RuntimeError, AssertionError, ValueError)


class SaveError(Exception):
    """A checkpoint could not be written; those before are untouched."""


class Checkpoints:
    """The checkpoints of a run in training: the last two, and the weights with the lowest validation error.

    TensorFlow writes a checkpoint under another name, renames it, and only then says that it is the latest; an older
    one is removed after that. So there is a whole one at every moment.

    Training waits for it: 1.7 s for the whole network on a CPU's disk. TensorFlow 2.21's asynchronous checkpoints fail
    with Keras' variables at the second one.

    Args:
        workdir: `pathlib.Path` of the run.
        state: {name: trackable}, all that makes a run go on as if it had not stopped; `model` among them.
        writes: whether this process saves. All read.
    """

    def __init__(self, workdir, state, writes=True):
        self._workdir, self._writes = workdir, writes
        self._state = tf.train.Checkpoint(**state)
        best = tf.train.Checkpoint(model=state["model"])
        self._last = tf.train.CheckpointManager(self._state, workdir / LAST, max_to_keep=KEPT)
        self._best = tf.train.CheckpointManager(best, workdir / BEST, max_to_keep=1)

    @property
    def newest(self):
        """The path of the newest checkpoint, or None."""
        return next(iter(candidates(self._workdir / LAST)), None)

    def restore(self):
        """Restores the newest checkpoint that can be read; does nothing if there is none.

        Raises:
            ValueError: if there are some, and none can be read.
        """
        restore_newest(self._state, self._workdir / LAST, lambda status: status.assert_existing_objects_matched())

    def save(self):
        """Saves all.

        Raises:
            SaveError: if it cannot be written.
        """
        self._write(self._last)

    def save_best(self):
        """Saves the weights in place of the best so far; raises as `save` does."""
        self._write(self._best)

    def _write(self, manager):
        if not self._writes:
            return
        try:
            manager.save()
        except (OSError, tf.errors.OpError) as error:
            _remove_leftovers(pathlib.Path(manager.directory))
            reason = " ".join((getattr(error, "message", None) or str(error)).split())
            raise SaveError(
                f"a checkpoint cannot be written: {reason}. The last one is {self.newest}; make room in "
                f"{str(self._workdir)!r}, or make it writable, and the same command goes on"
            ) from error


def candidates(directory):
    """Paths of the checkpoints in a directory, newest first, whatever TensorFlow's own list of them says."""
    indices = pathlib.Path(directory).glob("ckpt-*.index")
    numbered = sorted((int(file.stem.split("-")[1]), file) for file in indices if file.stem.split("-")[1].isdigit())
    return [str(file.with_suffix("")) for _, file in reversed(numbered)]


def restore_newest(checkpoint, directory, check):
    """Restores the newest checkpoint of a directory that can be read, and says which could not.

    Args:
        checkpoint: `tf.train.Checkpoint`.
        directory: where its files are.
        check: called with the status of the restoration.

    Returns:
        The path of the checkpoint, or None if the directory has none.

    Raises:
        ValueError: if there are some, and none can be read.
    """
    paths = candidates(directory)
    for path in paths:
        try:
            check(checkpoint.restore(path))
            return path
        except _UNREADABLE as error:
            reason = " ".join((getattr(error, "message", None) or str(error)).split())[:200]
            print(f"checkpoint {path} cannot be read, an older one is tried: {reason}", file=sys.stderr)
    if paths:
        raise ValueError(f"no checkpoint in {str(directory)!r} can be read; move them away to begin anew")
    return None


def _remove_leftovers(directory):
    """Removes what a failed save left: its part files would fill the disk further."""
    for leftover in directory.glob("ckpt-*_temp"):
        shutil.rmtree(leftover, ignore_errors=True)
    for leftover in directory.glob("ckpt-*.tempstate*"):
        leftover.unlink(missing_ok=True)


def random_states(model):
    """The states of a model's dropout layers, which `tf.train.Checkpoint` does not find by itself."""
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout) and layer.rate > 0]
    return [layer.seed_generator.state.value for layer in dropouts]
