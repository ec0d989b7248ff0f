"""What a compression changed: size, cost, latency and errors, before and after."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf import storage
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.metrics import Metrics
from alexnet_tf.exporting.accuracy import Sample, measure
from alexnet_tf.exporting.formats import FORMATS, Options
from alexnet_tf.exporting.parity import Parity, compare
from alexnet_tf.models.cost import stages
from alexnet_tf.runs.run import Run

FILE = "compression.json"  # In the workdir of the smaller network.
FORMAT_VERSION = 1  # Of compression.json.

SMALLEST = "tflite_int4"
_FORMATS = ("tflite_int8", SMALLEST)
_IMAGES = 32  # On which latency is measured.


@dataclasses.dataclass(frozen=True)
class State:
    """A network before its compression, at the start of its fine-tuning, or after it.

    Attributes:
        parameters: their number.
        multiply_adds: of one image.
        top1_error, top5_error: on the validation set, fractions.
        files: format, megabytes, milliseconds, accuracy and so on of each TFLite file, as `Parity` has them.
    """

    parameters: int
    multiply_adds: int
    top1_error: float
    top5_error: float
    files: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, run: Run, metrics: Metrics, files: Sequence[Parity] = ()) -> "State":
        """The state of a network with these errors and files."""
        layers = stages(run.recipe.network, run.recipe.resize_crop.crop, len(run.class_names))
        return cls(
            sum(layer.parameters for layer in layers), sum(layer.multiply_adds for layer in layers),
            metrics.top1_error, metrics.top5_error, [file.fields() for file in files],
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Compression:
    """A compression; stored as `compression.json` in the workdir of the smaller network.

    Attributes:
        source: workdir of the run that was compressed.
        target_mb: the largest size of the smallest file, in 10^6 bytes.
        before: the network that was compressed.
        start: the smaller network before its fine-tuning.
        after: the smaller network; None until its fine-tuning is finished.
    """

    source: str
    target_mb: float
    before: State
    start: State
    after: State | None = None

    @property
    def loss(self) -> float:
        """By how much the top-1 error rose; a fraction, 0 until the fine-tuning is finished."""
        return self.after.top1_error - self.before.top1_error if self.after else 0.0

    def save(self, workdir: pathlib.Path) -> None:
        """Writes `compression.json`."""
        storage.write_json(workdir / FILE, dataclasses.asdict(self), FORMAT_VERSION)

    @classmethod
    def load(cls, workdir: pathlib.Path) -> "Compression":
        """Reads `compression.json`; raises UserError if it is missing or damaged."""
        fields = storage.read_json(workdir / FILE, FORMAT_VERSION)
        try:
            states = {name: State(**fields[name]) for name in ("before", "start", "after") if fields[name]}
            return cls(**{**fields, **states})
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{str(workdir / FILE)!r} must hold the figures of a compression: {error!s:.200}"
            ) from error

    def table(self) -> str:
        """All figures as lines of text."""
        states = {"before": self.before, "projected": self.start, "fine-tuned": self.after}
        columns = {name: _cells(state) for name, state in states.items() if state}
        rows = [f"{'':<26}" + "".join(f"{name:>14}" for name in columns)]
        for title in columns["before"]:
            rows.append(f"{title:<26}" + "".join(f"{cells.get(title, '-'):>14}" for cells in columns.values()))
        return "\n".join(rows)


def _cells(state: State) -> dict[str, str]:
    """{title: text} for a column of the table."""
    cells = {
        "parameters": f"{state.parameters:,}",
        "multiply-adds": f"{state.multiply_adds / 1e6:,.1f} M",
        "top-1 error": f"{state.top1_error:.2%}",
        "top-5 error": f"{state.top5_error:.2%}",
    }
    for file in state.files:
        name = file["format"]
        cells[f"{name}, MB"] = f"{file['megabytes']:.2f}"
        cells[f"{name}, ms"] = f"{file['milliseconds']:.1f}"
        cells[f"{name}, top-1 error"] = f"{file['accuracy']['top1_error']:.2%}"
    return cells


def measure_files(run: Run) -> list[Parity]:
    """Writes a run's TFLite files into a temporary directory; returns their sizes, latency and errors."""
    predictor, images = run.predictor(), run.images("validation", _IMAGES)
    with tempfile.TemporaryDirectory() as scratch:
        paths = {name: pathlib.Path(scratch) / FORMATS[name].file for name in _FORMATS}
        for name, path in paths.items():
            FORMATS[name].write(predictor, path, Options(images))
        opened = [FORMATS[name].open(path, run.class_names, run.preprocessing) for name, path in paths.items()]
        rows = [
            compare(name, path, file, predictor, images)
            for (name, path), file in zip(paths.items(), opened, strict=True)
        ]
        # Without a limit on time, so that both networks are measured on the same images.
        errors = measure(predictor, opened, Sample(run.dataset.validation, seconds=None))
    return [dataclasses.replace(row, accuracy=accuracy) for row, accuracy in zip(rows, errors, strict=True)]
