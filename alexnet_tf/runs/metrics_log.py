"""`metrics.jsonl`: the metrics of a run, one JSON object per line, for programs."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from alexnet_tf import storage
from alexnet_tf.errors import UserError
from alexnet_tf.runs import layout

FORMAT_VERSION = 1
_LARGEST = 2**63  # Whole numbers of JSON may be larger than any float.


def append_metrics(workdir: str | os.PathLike, row: Mapping[str, Any]) -> None:
    """Appends a line, after a header with the format version if the file is new.

    Args:
        workdir: directory of the run.
        row: `kind` (`"train"` or `"validation"`), `step`, `epoch`, `time` (Unix seconds) and metrics by name.
    """
    with open(pathlib.Path(workdir) / layout.METRICS, "a", encoding="utf-8") as file:
        if file.tell() == 0:
            file.write(json.dumps({"kind": "header", storage.FORMAT_VERSION: FORMAT_VERSION}) + "\n")
        file.write(json.dumps(row) + "\n")


def read_metrics(workdir: str | os.PathLike, kind: str) -> list[dict[str, Any]]:
    """Reads the lines of one kind, in the order of their steps.

    Lines that a kill cut short are left out. Of steps that were repeated after a kill, the last line counts.

    Args:
        workdir: directory of the run.
        kind: `"train"` or `"validation"`.

    Raises:
        UserError: if the file is missing, has another format version, or a line that `append_metrics` did not write.
    """
    storage.check_no_globs("workdir", workdir)
    path = pathlib.Path(workdir) / layout.METRICS
    if not path.is_file():
        raise UserError(f"workdir must hold a run with {layout.METRICS}, got {str(workdir)!r}")
    header, *rows = [_parsed(line) for line in storage.read_bytes(path).splitlines()] or [None]
    storage.check_version(path, header, FORMAT_VERSION)
    for number, row in enumerate(rows, 2):
        if row is not None and not _is_row(row):
            raise UserError(f"{str(path)!r} must have kind, step, epoch and metrics in line {number}, got {row!s:.100}")
    by_step = {row["step"]: row for row in rows if row and row["kind"] == kind}
    return [by_step[step] for step in sorted(by_step)]


def _parsed(line: bytes) -> Any:
    """A line's object; None if the line was cut short, and perhaps continued by the next."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_row(row: Any) -> bool:
    """Whether a line's object has a kind, and numbers for all else."""
    if not isinstance(row, dict) or not isinstance(row.get("kind"), str) or not isinstance(row.get("step"), int):
        return False
    numbers = [value for name, value in row.items() if name != "kind"]
    return all(isinstance(value, float) or (isinstance(value, int) and abs(value) < _LARGEST) for value in numbers)
