"""Writes one shard of a prepared dataset, and its part of the index."""

import concurrent.futures
import contextlib
import dataclasses
import errno
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from alexnet_tf import storage
from alexnet_tf.data import description
from alexnet_tf.data.arrays import read_npz
from alexnet_tf.data.prepare_images import Chunk, Preparer
from alexnet_tf.data.record_files import array_record
from alexnet_tf.data.sources import ImageFileSplit, Original
from alexnet_tf.data.statistics import Sums
from alexnet_tf.errors import UserError

# Images that a thread prepares at a time.
CHUNK_SIZE = 16


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """A shard to write: the examples from `start` to `stop` of a split.

    Attributes:
        split: the source.
        split_name: "train" or "validation".
        start, stop: indices into the split.
        file: name of the shard's file.
    """

    split: ImageFileSplit
    split_name: str
    start: int
    stop: int
    file: str

    def index_file(self, work: pathlib.Path) -> pathlib.Path:
        """The file of this shard's part of the index until the dataset is finished."""
        return work / f"{self.file}.npz"


def write_shard(
    shard: ShardPlan,
    out: pathlib.Path,
    work: pathlib.Path,
    preparer: Preparer,
    pool: concurrent.futures.Executor,
    progress: Callable[[int, int], None],
) -> None:
    """Writes a shard into `out`, then its part of the index into `work`.

    Args:
        shard: the shard.
        out: directory of the prepared dataset.
        work: directory of temporary files.
        preparer: prepares images.
        pool: its threads.
        progress: called with the number of source images processed and of those skipped.
    """
    sums, index, skipped = Sums(), [], []
    with storage.atomic_write(out / shard.file) as partial, contextlib.closing(_writer(partial)) as writer:
        for chunk in _in_order(pool, preparer, shard.split.originals(shard.start, shard.stop)):
            for record in chunk.records:
                writer.write(record)
            index += chunk.index
            skipped += chunk.skipped
            sums.merge(chunk.sums)
            progress(len(index) + len(skipped), len(skipped))
    with storage.atomic_write(shard.index_file(work)) as partial:
        np.savez(
            partial,
            label=np.array([label for _, label in index], np.int32),
            texts=json.dumps({"names": [name for name, _ in index], "skipped": skipped}),
            count=sums.count,
            pixels=sums.pixels,
            products=sums.products,
            fingerprint=description.fingerprint(out / shard.file),
        )


def load_index(shard: ShardPlan, out: pathlib.Path, work: pathlib.Path) -> dict[str, Any] | None:
    """A shard's part of the index.

    Returns:
        `split`, `file`, `fingerprint`, `label`, `names`, `skipped`, `count`, `pixels` and `products`. None if it was
        not written, or if it or the shard is damaged: the shard has to be written again.
    """
    try:
        index = read_npz(shard.index_file(work))
        index |= json.loads(str(index["texts"]))
        readable = len(index["names"]) == len(index["label"]) == index["count"] and isinstance(index["skipped"], list)
        sums = [index[name].shape[-1:] == (3,) or not index["count"] for name in ("pixels", "products")]
        intact = str(index["fingerprint"]) == description.fingerprint(out / shard.file)
    except (UserError, KeyError, TypeError, ValueError):
        return None
    return {**index, "split": shard.split_name, "file": shard.file} if readable and all(sums) and intact else None


def _writer(file: pathlib.Path) -> Any:
    """An object with `write(record)` and `close()`."""
    if file.suffix == ".raw":
        return open(file, "wb")
    writer = array_record("array_record_module").ArrayRecordWriter
    return _RecordWriter(writer(str(file), "group_size:1,uncompressed"))


class _RecordWriter:
    """An ArrayRecord writer that raises OSError, as files do, where the library says only that writing failed."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, record: bytes) -> None:
        with _os_errors():
            self._writer.write(record)

    def close(self) -> None:
        with _os_errors():
            self._writer.close()


@contextlib.contextmanager
def _os_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # Of several clauses the last says why, e.g. that no space is left.
        raise OSError(errno.EIO, str(error).split(" [")[0]) from error


def _in_order(pool: concurrent.futures.Executor, preparer: Preparer, originals: Iterator[Original]) -> Iterator[Chunk]:
    """Prepares image files in a pool's threads, a few chunks ahead; yields the chunks in order."""
    chunks = iter(lambda: list(itertools.islice(originals, CHUNK_SIZE)), [])
    ahead = 2 * (os.cpu_count() or 1)
    waiting = [pool.submit(preparer, chunk) for chunk in itertools.islice(chunks, ahead)]
    try:
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(preparer, chunk) for chunk in itertools.islice(chunks, 1)]
    finally:
        for future in waiting:
            future.cancel()
