"""Prints the presets side by side, LeNet-5 among them for comparison.

alexnet-tf presets --json
"""

import dataclasses
import json

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.models.anatomy import stages
from alexnet_tf.models.presets import LENET5, PRESETS

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
    _row("", [preset.name for preset in presets])
    _row("input", [f"{preset.input_size}x{preset.input_size}x{preset.channels}" for preset in presets])
    for name in dict.fromkeys(stage.name for found in by_name.values() for stage in found):
        _row(name, [_cell(found, name) for found in by_name.values()])
    _row("weights", [f"{sum(s.weights for s in found):,}" for found in by_name.values()])
    _row("multiply-adds", [f"{sum(s.multiply_adds for s in found) / 1e6:,.1f} M" for found in by_name.values()])
    for preset in presets:
        print(f"{preset.name}: {preset.summary}")


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
