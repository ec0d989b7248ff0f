"""Reading ArrayRecord files: damage, and too many of them, are errors of one line that name the file."""

import bisect
import itertools
import pathlib
import resource
from collections.abc import Sequence
from typing import NamedTuple

from alexnet_tf.errors import UserError

# (file, number of images) of each shard.
Shards = Sequence[tuple[pathlib.Path, int]]

# Files that a process has open besides.
_OTHER_FILES = 300


class RecordFiles:
    """The records of some shards, by index.

    Args:
        shards: the files.
    """

    def __init__(self, shards: Shards) -> None:
        # Imported here because it defines absl flags of its own.
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        self._files = [file for file, _ in shards]
        self._stops = list(itertools.accumulate(count for _, count in shards))
        try:
            self._source = ArrayRecordDataSource([_Instruction(str(file), 0, count, count) for file, count in shards])
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
    """Raises this process's limit of open files to what `count` shards need.

    Raises:
        UserError: if the system does not allow so many.
    """
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
