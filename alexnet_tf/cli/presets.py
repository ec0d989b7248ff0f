"""Prints the presets side by side, LeNet-5 among them for comparison.

alexnet-tf presets --json
"""

import dataclasses
import json

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.models.cost import stages
from alexnet_tf.models.presets import LENET5, PRESETS

ABREAST = 3  # A terminal of a hundred columns.

FLAGS = flags.FLAGS
flags.DEFINE_bool("json", False, "print JSON")


def main(argv):
    """Prints the table."""
    common.no_arguments(argv)
    presets = [*PRESETS.values(), LENET5]
    by_name = {preset.name: stages(preset) for preset in presets}
    if FLAGS.json:
        print(json.dumps({preset.name: _as_json(preset, by_name[preset.name]) for preset in presets}, indent=2))
        return
    for first in range(0, len(presets), ABREAST):
        _table(presets[first : first + ABREAST], by_name)
    for preset in presets:
        print(f"{preset.name}: {preset.summary}")


def _table(presets, by_name):
    """Prints some presets side by side."""
    stages_of = [by_name[preset.name] for preset in presets]
    _row("", [preset.name for preset in presets])
    _row("input", [f"{preset.input_size}x{preset.input_size}x{preset.channels}" for preset in presets])
    for name in dict.fromkeys(stage.name for found in stages_of for stage in found):
        _row(name, [_cell(found, name) for found in stages_of])
    _row("weights", [f"{sum(s.weights for s in found):,}" for found in stages_of])
    _row("multiply-adds", [f"{sum(s.multiply_adds for s in found) / 1e6:,.1f} M" for found in stages_of])
    print()


def _row(title, cells):
    print(f"{title:<14}" + "".join(f"{cell:>26}" for cell in cells))


def _cell(found, name):
    stage = next((stage for stage in found if stage.name == name), None)
    return f"{'x'.join(map(str, stage.output_shape))}  {stage.weights:,}" if stage else "-"


def _as_json(preset, found):
    return {
        "summary": preset.summary,
        "input": [preset.input_size, preset.input_size, preset.channels],
        "stages": [dataclasses.asdict(stage) for stage in found],
        "weights": sum(stage.weights for stage in found),
        "multiply_adds": sum(stage.multiply_adds for stage in found),
    }


if __name__ == "__main__":
    common.run(main)
