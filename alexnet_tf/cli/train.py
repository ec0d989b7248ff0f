"""Trains a network, or continues a run.

alexnet-tf train --recipe=demo --workdir=DIR
"""

import sys

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.training.loop import Interrupted, train_and_evaluate
from alexnet_tf.training.recipes import RECIPES, STRATEGIES, get_recipe

INTERRUPTED_EXIT_CODE = 130

FLAGS = flags.FLAGS
flags.DEFINE_string("recipe", None, f"how to train: {', '.join(RECIPES)}", required=True)
flags.DEFINE_string("workdir", None, "directory of the run; a run that is in it is continued", required=True)
flags.DEFINE_enum("strategy", "auto", STRATEGIES, "devices: one, all GPUs mirrored, or what suits")
flags.DEFINE_string("dataset", None, "builtin:shapes, folder:PATH or tfds:NAME")
flags.DEFINE_string("preset", None, "the network, as listed by alexnet-tf presets")
flags.DEFINE_float("width", None, "factor on every hidden width, e.g. 0.25")
flags.DEFINE_integer("image_size", None, "side of the input in pixels")
flags.DEFINE_integer("batch_size", None, "images a step, over all devices")
flags.DEFINE_integer("epochs", None, "passes over the training set")
flags.DEFINE_integer("steps", None, "length in steps; decides where both are given")
flags.DEFINE_integer("evaluate_every", None, "steps between validations and checkpoints")
flags.DEFINE_float("learning_rate", None, "rate before the schedule")
flags.DEFINE_integer("seed", None, "seed of weights, order and augmentation")

OVERRIDES = (
    "dataset", "preset", "width", "image_size", "batch_size", "epochs", "steps", "evaluate_every", "learning_rate",
    "seed",
)  # fmt: skip


def main(argv):
    """Trains and prints the result."""
    common.no_arguments(argv)
    overrides = {name: FLAGS[name].value for name in OVERRIDES if FLAGS[name].value is not None}
    recipe = get_recipe(FLAGS.recipe, **overrides)
    try:
        result = train_and_evaluate(recipe, FLAGS.workdir, FLAGS.strategy)
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return INTERRUPTED_EXIT_CODE
    print(f"top-1 error {result.top1_error:.2%}, top-5 error {result.top5_error:.2%} on {result.examples} images")
    print(f"watch: tensorboard --logdir={FLAGS.workdir}")


if __name__ == "__main__":
    common.run(main)
