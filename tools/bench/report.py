"""From the measured seconds to a table and to JSON."""

import dataclasses
import os
import pathlib
import platform
from collections.abc import Sequence

import numpy as np

from tools.bench import limits
from tools.bench.rounds import Contender, Measured

# By the flags of Linux, the widest first.
_INSTRUCTIONS = {"amx_tile": "AMX", "avx512f": "AVX-512", "avx2": "AVX2"}


@dataclasses.dataclass(frozen=True)
class Suite:
    """Contenders that do the same.

    Attributes:
        title: what they do.
        contenders: ours first.
        baseline: the contender that the others are compared with; the first one if it is not installed.
        milliseconds: whether the table has the time for an image, and not images per second.
    """

    title: str
    contenders: Sequence[Contender]
    baseline: str
    milliseconds: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: of the contender.
        seconds: median time for an image.
        quartiles: first and third quartile of the same.
        relative_time: `seconds` divided by that of the baseline.
        limit: the least seconds for an image that the machine allows; None if no limit is known.
        difference: relative difference of the outputs; None if they were not compared.
    """

    name: str
    seconds: float
    quartiles: tuple[float, float]
    relative_time: float
    limit: float | None
    difference: float | None


def rows(suite: Suite, results: dict[str, Measured]) -> list[Row]:
    """The lines of the table, from the results of the suite's contenders and of the machine's limits."""
    median = {name: float(np.median(measured.seconds)) for name, measured in results.items()}
    contenders = [contender for contender in suite.contenders if contender.name in results]
    baseline = median[suite.baseline if suite.baseline in results else contenders[0].name]
    return [
        Row(
            name=contender.name,
            seconds=median[contender.name],
            quartiles=tuple(float(value) for value in np.percentile(results[contender.name].seconds, [25, 75])),
            relative_time=median[contender.name] / baseline,
            limit=contender.gflop * median[limits.SGEMM.name] + contender.gigabytes * median[limits.MEMORY.name]
            or None,
            difference=results[contender.name].difference,
        )
        for contender in contenders
    ]


def table(suite: Suite, lines: Sequence[Row]) -> str:
    """The lines as a Markdown table, followed by what was not measured."""
    baseline = next((row.name for row in lines if row.name == suite.baseline), lines[0].name)
    unit, ratio = ("ms", "time") if suite.milliseconds else ("images/s", "speed")
    header = ["", unit, "quartiles", f"{ratio} relative to {baseline}", "fraction of the limit", "difference"]
    cells = [header, ["---"] * len(header), *(_cells(row, suite.milliseconds) for row in lines)]
    missing = [
        f"not measured: {contender.name} (pip install {contender.package})"
        for contender in suite.contenders
        if not contender.installed
    ]
    return "\n".join([f"\n{suite.title}\n", *(f"| {' | '.join(line)} |" for line in cells), *missing])


def _cells(row: Row, milliseconds: bool) -> list[str]:
    show = (lambda seconds: f"{1e3 * seconds:.1f}") if milliseconds else (lambda seconds: f"{1 / seconds:.1f}")
    low, high = sorted((show(value) for value in row.quartiles), key=float)
    return [
        row.name,
        show(row.seconds),
        f"{low} – {high}",
        f"{row.relative_time if milliseconds else 1 / row.relative_time:.2f}",
        "" if row.limit is None else f"{row.limit / row.seconds:.2f}",
        "" if row.difference is None else f"{row.difference:.1e}",
    ]


def machine(results: dict[str, Measured]) -> dict[str, object]:
    """What the times depend on: processor, threads and the measured limits."""
    return {
        "processor": _cpu_field("model name") or platform.processor(),
        "instructions": _instructions(),
        "threads": os.cpu_count(),
        "sgemm_gflop_per_second": round(1 / np.median(results[limits.SGEMM.name].seconds), 1),
        "memory_gigabytes_per_second": round(1 / np.median(results[limits.MEMORY.name].seconds), 1),
    }


def _cpu_field(name: str) -> str:
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def _instructions() -> str:
    """The widest vector instructions that the operating system reports, empty if it reports none."""
    flags = _cpu_field("flags").split()
    return next((name for flag, name in _INSTRUCTIONS.items() if flag in flags), "")
