"""Reading ArrayRecord files: damage, and too many of them, are errors of one line that name the file."""

import bisect
import itertools
import pathlib
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

from alexnet_tf import optional
from alexnet_tf.errors import UserError

# (file, number of images) of each shard.
Shards = Sequence[tuple[pathlib.Path, int]]

# Files that a process has open besides.
_OTHER_FILES = 300


def array_record(part: str) -> ModuleType:
    """A module of ArrayRecord's Python package; imported late because it defines absl flags of its own.

    Raises:
        UserError: if ArrayRecord is not installed, as on Windows, for which there is no such package.
    """
    advice = "pip install array_record; on Windows, which it does not support, use alexnet-tf prepare --format=raw"
    return optional.require(f"array_record.python.{part}", "a dataset prepared with format=jpeg", advice)


class RecordFiles:
    """The records of some shards, by index.

    Args:
        shards: the files.
    """

    def __init__(self, shards: Shards) -> None:
        source = array_record("array_record_data_source").ArrayRecordDataSource
        self._files = [file for file, _ in shards]
        self._stops = list(itertools.accumulate(count for _, count in shards))
        try:
            self._source = source([_Instruction(str(file), 0, count, count) for file, count in shards])
        except RuntimeError as error:
            raise UserError(f"{self._files[0].parent} cannot be read: {error}") from error

    def read(self, indices: Sequence[int]) -> list[bytes]:
        """The records at some indices.

        Raises:
            UserError: if a file is damaged.
        """
        try:
            return self._source.__getitems__(indices)
        except (RuntimeError, IndexError, ValueError) as error:
            raise UserError(self._damage(indices, error)) from error

    def _damage(self, indices: Sequence[int], error: Exception) -> str:
        """Which file cannot be read, and why; the error of many records does not say it."""
        for index in indices:
            try:
                self._source.__getitems__([index])
            except (RuntimeError, IndexError, ValueError) as own:
                file, why = self._files[bisect.bisect_right(self._stops, index)], str(own).split("; ")[0]
                return f"{file} is damaged: {why}; prepare the dataset again"
        return f"{self._files[0].parent} cannot be read: {error}"


class _Instruction(NamedTuple):
    """The interface of ArrayRecord's file instructions; with it, the reader need not open every shard to count."""

    filename: str
    skip: int
    take: int
    examples_in_shard: int


def allow_open_files(count: int) -> None:
    """Raises this process's limit of open files, where the platform has one, to what `count` shards need.

    Raises:
        UserError: if the system does not allow so many.
    """
    try:
        import resource
    except ImportError:  # On Windows.
        return
    needed = count + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UserError(
            f"the limit of open files must be at least {needed} for a dataset of {count} shards, got {hard}: raise it "
            "(ulimit -n), or prepare the dataset with a larger shard_size"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
