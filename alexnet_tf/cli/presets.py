"""Lists the presets side by side, with LeNet-5 for comparison: output shape and parameters of each layer.

alexnet-tf presets --json
"""

import dataclasses
import json
from typing import Any

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.models.cost import Stage, stages
from alexnet_tf.models.preset import Preset
from alexnet_tf.models.presets import LENET5, PRESETS

COLUMNS = 3  # That fit a terminal 100 characters wide.

FLAGS = flags.FLAGS
flags.DEFINE_bool("json", False, "print JSON")


def main(argv: list[str]) -> None:
    """Prints the table."""
    common.no_arguments(argv)
    presets = [*PRESETS.values(), LENET5]
    if FLAGS.json:
        print(json.dumps({preset.name: _as_json(preset) for preset in presets}, indent=2))
        return
    for first in range(0, len(presets), COLUMNS):
        _print_table(presets[first : first + COLUMNS])
    for preset in presets:
        print(f"{preset.name}: {preset.summary}")


def _print_table(presets: list[Preset]) -> None:
    by_name = [{stage.name: stage for stage in stages(preset)} for preset in presets]
    _print_row("", [preset.name for preset in presets])
    _print_row("input", [f"{preset.input_size}x{preset.input_size}x{preset.channels}" for preset in presets])
    for name in dict.fromkeys(name for column in by_name for name in column):
        _print_row(name, [_cell(column.get(name)) for column in by_name])
    _print_row("parameters", [f"{sum(s.parameters for s in column.values()):,}" for column in by_name])
    _print_row("multiply-adds", [f"{sum(s.multiply_adds for s in column.values()) / 1e6:,.1f} M" for column in by_name])
    print()


def _print_row(title: str, cells: list[str]) -> None:
    print(f"{title:<14}" + "".join(f"{cell:>26}" for cell in cells))


def _cell(stage: Stage | None) -> str:
    return f"{'x'.join(map(str, stage.output_shape))}  {stage.parameters:,}" if stage else "-"


def _as_json(preset: Preset) -> dict[str, Any]:
    layers = stages(preset)
    return {
        "summary": preset.summary,
        "input": [preset.input_size, preset.input_size, preset.channels],
        "stages": [dataclasses.asdict(stage) for stage in layers],
        "parameters": sum(stage.parameters for stage in layers),
        "multiply_adds": sum(stage.multiply_adds for stage in layers),
    }


if __name__ == "__main__":
    common.run(main)
