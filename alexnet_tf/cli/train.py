"""Trains a network, or continues a run.

alexnet-tf train --recipe=demo --workdir=DIR
"""

import dataclasses
import sys
import typing

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.training.loop import Interrupted, train_and_evaluate
from alexnet_tf.training.recipes import RECIPES, STRATEGIES, Recipe, get_recipe

FLAGS = flags.FLAGS
flags.DEFINE_string("recipe", None, f"how to train: {', '.join(RECIPES)}", required=True)
flags.DEFINE_string("workdir", None, "directory of the run; a run that is in it is continued", required=True)
flags.DEFINE_enum("strategy", "auto", STRATEGIES, "devices: one, all GPUs mirrored, or what suits")
flags.DEFINE_integer("input_threads", None, "threads that the input has to itself", lower_bound=1)

# One flag for each simple field of a recipe; not given, it leaves the recipe as it is.
DEFINE = {str: flags.DEFINE_string, int: flags.DEFINE_integer, float: flags.DEFINE_float, bool: flags.DEFINE_boolean}
OVERRIDES = [field for field in dataclasses.fields(Recipe) if field.metadata]
for field in OVERRIDES:
    kind = next(kind for kind in (*typing.get_args(field.type), field.type) if kind in DEFINE)
    DEFINE[kind](field.name, None, field.metadata["help"])


def main(argv):
    """Trains and prints the result."""
    common.no_arguments(argv)
    given = {field.name: FLAGS[field.name].value for field in OVERRIDES}
    recipe = get_recipe(FLAGS.recipe, **{name: value for name, value in given.items() if value is not None})
    try:
        result = train_and_evaluate(recipe, FLAGS.workdir, FLAGS.strategy, FLAGS.input_threads)
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return common.INTERRUPTED_EXIT_CODE
    print(f"top-1 error {result.top1_error:.2%}, top-5 error {result.top5_error:.2%} on {result.examples} images")
    print(f"watch: tensorboard --logdir={FLAGS.workdir}")


if __name__ == "__main__":
    common.run(main)
