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
        UserError: if the file is missing or has another format version.
    """
    path = pathlib.Path(workdir) / layout.METRICS
    if not path.is_file():
        raise UserError(f"workdir must hold a run with {layout.METRICS}, got {str(workdir)!r}")
    header, *rows = [_parsed(line) for line in path.read_text(encoding="utf-8").splitlines()] or [None]
    storage.check_version(path, header, FORMAT_VERSION)
    by_step = {row["step"]: row for row in rows if row and row["kind"] == kind}
    return [by_step[step] for step in sorted(by_step)]


def _parsed(line: str) -> dict[str, Any] | None:
    """A line's object; None if the line was cut short, and perhaps continued by the next."""
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None
