"""Trains a network, or continues a run.

alexnet-tf train --recipe=demo --workdir=DIR
"""

import dataclasses
import os
import sys
import typing

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.recipes import RECIPES, get_recipe
from alexnet_tf.training.distribution import LOST_WORKER_EXIT_CODE, STRATEGIES, LostWorkerError
from alexnet_tf.training.interruption import Interrupted
from alexnet_tf.training.loop import Options, train_and_evaluate
from alexnet_tf.training.profiling import parse
from alexnet_tf.training.step import JIT

FLAGS = flags.FLAGS
flags.DEFINE_string("recipe", None, f"how to train: {', '.join(RECIPES)}", required=True)
flags.DEFINE_string("workdir", None, "directory of the run; a run that is in it is continued", required=True)
flags.DEFINE_enum(
    "strategy", Options.strategy, STRATEGIES,
    "one device, all GPUs here, the processes that TF_CONFIG or SLURM names, or what suits",
)  # fmt: skip
flags.DEFINE_integer("devices", None, "local devices at most; all if not given", lower_bound=1)
flags.DEFINE_integer("input_threads", None, "threads that the input has to itself", lower_bound=1)
flags.DEFINE_enum("jit", Options.jit, JIT, "whether XLA compiles the network; auto: no")
flags.DEFINE_integer("steps_per_call", None, "steps without a return to Python; 1 on CPUs, 10 on GPUs", lower_bound=1)
flags.DEFINE_integer("log_every", Options.log_every, "steps between two lines of metrics", lower_bound=1)
flags.DEFINE_integer(
    "layer_summaries_every", Options.layer_summaries_every,
    "steps between two looks at the layers for TensorBoard, besides those at validations; 0: scalars of the run "
    "alone", lower_bound=0,
)  # fmt: skip
flags.DEFINE_string("profile", None, "START,COUNT: trace so many steps, after the first START, for TensorBoard")
flags.DEFINE_float("checkpoint_minutes", Options.checkpoint_minutes, "longest time without a checkpoint", lower_bound=0)

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
    recipe = get_recipe(
        FLAGS.recipe, FLAGS.workdir, **{name: value for name, value in given.items() if value is not None}
    )
    options = {field.name: FLAGS[field.name].value for field in dataclasses.fields(Options)}
    options = Options(**{**options, "profile": parse(FLAGS.profile)})
    try:
        result = train_and_evaluate(recipe, FLAGS.workdir, options)
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    except LostWorkerError as error:
        print(f"error: {common.one_line(error)}", file=sys.stderr, flush=True)
        # At once: TensorFlow would wait for the other workers before it lets this process end.
        os._exit(LOST_WORKER_EXIT_CODE)
    images = common.counted(result.examples, "image")
    print(f"top-1 error {result.top1_error:.2%}, top-5 error {result.top5_error:.2%} on {images}")
    print(f"watch: {common.tensorboard(FLAGS.workdir)}")


if __name__ == "__main__":
    common.run(main)
