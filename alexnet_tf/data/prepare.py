"""Writes a prepared dataset: images resized once, so that training only reads and crops. Section 2 of the paper.

Each shard is written to a temporary file and renamed when it is complete, and its part of the index after it. A run
that was killed at any moment is resumed from there, and the finished dataset is the same, byte for byte. `records`
lists the files.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from alexnet_tf import locks, storage
from alexnet_tf.data import description, records
from alexnet_tf.data.file_list import list_files
from alexnet_tf.data.prepare_index import write_index
from alexnet_tf.data.prepare_options import PrepareOptions
from alexnet_tf.data.prepare_shard import Preparer, ShardPlan, load_index, write_shard
from alexnet_tf.data.record_files import array_record
from alexnet_tf.data.sources import Dataset, ImageFileSplit
from alexnet_tf.errors import UserError

PLAN = "plan.json"

Progress = Callable[[int, int], None]


def prepare(
    dataset: Dataset,
    out: str | os.PathLike,
    options: PrepareOptions = PrepareOptions(),  # noqa: B008 - frozen
    workers: int | None = None,
    progress: Progress = lambda done, skipped: None,
) -> dict[str, Any]:
    """Prepares a dataset, or resumes an interrupted preparation.

    Args:
        dataset: a dataset of image files.
        out: directory to write.
        options: how images are stored.
        workers: number of threads; one per processor if not given.
        progress: called with the number of source images processed and of those skipped, of both splits together.

    Returns:
        The fields of `dataset.json`.

    Raises:
        UserError: if the dataset has no image files, the format needs a package that is not installed, or
            `out` cannot be written to or has other contents.
    """
    out = pathlib.Path(out)
    splits = {name: getattr(dataset, name) for name in description.SPLITS}
    if not all(isinstance(split, ImageFileSplit) for split in splits.values()):
        raise UserError(f"dataset must consist of image files, got {dataset.name!r}")
    plan = {
        "source": dataset.name,
        **dataclasses.asdict(options),
        "class_names": list(dataset.class_names),
        "files": list_files(dataset).digest(),
    }
    if options.format == "jpeg":
        array_record("array_record_module")  # Raises, before anything is written, where there is none.
    with _locked(out):
        if _init_out(out, plan):
            shards = [shard for name, split in splits.items() for shard in _shards(split, name, options)]
            indices = _write_shards(shards, out, options, workers, progress)
            write_index(dataset, out, plan, indices)
            shutil.rmtree(out / records.WORK)
    description.read_description(out / records.DESCRIPTION)
    return storage.read_json(out / records.DESCRIPTION, description.FORMAT_VERSION)


def _write_shards(
    shards: list[ShardPlan], out: pathlib.Path, options: PrepareOptions, workers: int | None, progress: Progress
) -> list[dict[str, Any]]:
    """Writes the shards that are missing; returns the index of each shard."""
    work = out / records.WORK
    indices: list[dict[str, Any]] = []
    done = skipped = 0
    preparer = Preparer(options)
    with concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for shard in shards:
            index = load_index(shard, out, work)
            if index is None:
                write_shard(shard, out, work, preparer, pool, lambda n, bad: progress(done + n, skipped + bad))  # noqa: B023
                index = load_index(shard, out, work)
            if index is None:
                raise UserError(f"{str(out / shard.file)!r} cannot be read as it was written: is the disk damaged?")
            indices.append(index)
            done += shard.stop - shard.start
            skipped += len(indices[-1]["skipped"])
            progress(done, skipped)
    return indices


@contextlib.contextmanager
def _locked(out: pathlib.Path) -> Iterator[None]:
    """Within the context, no other process prepares into `out`, which is created if missing."""
    with contextlib.ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.hold(out / locks.LOCK, f"preparing {str(out)!r}"))
            for directory in (out, out / records.WORK):
                if directory.is_dir():
                    storage.sweep(directory)
        except OSError as error:
            raise UserError(f"out must be a folder that can be written to, got {str(out)!r}: {error}") from error
        yield


def _init_out(out: pathlib.Path, plan: dict[str, Any]) -> bool:
    """Checks that the directory is empty or has this plan; returns whether anything is left to do."""
    work = out / records.WORK
    plan_file, finished = work / PLAN, out / records.DESCRIPTION
    try:
        known = plan_file if plan_file.is_file() else finished
        if not known.is_file() and any(entry.name not in (records.WORK, locks.LOCK) for entry in out.iterdir()):
            raise UserError(f"out must be an empty folder, or contain this prepared dataset, got {str(out)!r}")
        if known.is_file():
            _refuse_other(out, storage.read_json(known, description.FORMAT_VERSION), plan)
        if finished.is_file():
            shutil.rmtree(work, ignore_errors=True)
            return False
        work.mkdir(exist_ok=True)
        storage.write_json(plan_file, plan, description.FORMAT_VERSION)
    except OSError as error:
        raise UserError(f"out must be a folder that can be written to, got {str(out)!r}: {error}") from error
    return True


def _refuse_other(out: pathlib.Path, before: dict[str, Any], plan: dict[str, Any]) -> None:
    changed = [key for key in plan if before.get(key) != plan[key]]
    if changed:
        details = "; ".join(f"{key}: saved {_short(before.get(key))}, requested {_short(plan[key])}" for key in changed)
        raise UserError(f"out={str(out)!r} contains a dataset prepared differently: {details}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _shards(split: ImageFileSplit, name: str, options: PrepareOptions) -> Iterator[ShardPlan]:
    starts = range(0, split.count, options.shard_size)
    for number, start in enumerate(starts):
        stop = min(start + options.shard_size, split.count)
        file = records.shard_name(name, number, len(starts), options.format)
        yield ShardPlan(split, name, start, stop, file)
