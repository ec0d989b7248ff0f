"""Trains a network, or resumes a run.

alexnet-tf train --recipe=demo --workdir=DIR

To resume, rerun the same command. Flags override fields of the recipe, which may set other values than the defaults
shown: alexnet-tf recipes NAME prints them.
"""

import os
import sys
from typing import Any

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.runs import fields
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.recipes import RECIPES, get_recipe
from alexnet_tf.training.distribution import LOST_WORKER_EXIT_CODE, LostWorkerError, end_worker
from alexnet_tf.training.interruption import Interrupted
from alexnet_tf.training.loop import train_and_evaluate
from alexnet_tf.training.options import Options
from alexnet_tf.training.profiling import parse

FLAGS = flags.FLAGS
flags.DEFINE_string("recipe", None, f"{', '.join(RECIPES)}, or a .json file, e.g. a run's recipe.json", required=True)
flags.DEFINE_string("workdir", None, "directory of the run, which is resumed if it exists", required=True)
flags.DEFINE_string("profile", None, "START,COUNT: trace COUNT steps after the first START, for TensorBoard")

_DEFINE = {str: flags.DEFINE_string, int: flags.DEFINE_integer, float: flags.DEFINE_float, bool: flags.DEFINE_boolean}


def _define(name: str, facts: fields.Facts, kind: type) -> None:
    """Defines the flag of a field; without it on the command line, its value is None."""
    if facts.choices:
        flags.DEFINE_enum(name, None, facts.choices, facts.help)
    else:
        _DEFINE[kind](name, None, facts.help)


GROUPS: dict[str, list[str]] = {group: [] for group in fields.GROUPS}
GROUPS["run"] += ["recipe", "workdir"]
DEFAULTS: dict[str, Any] = {}
for _owner in (Recipe, Options):
    for _name, _facts in fields.facts_of(_owner).items():
        if fields.types_of(_owner)[_name] in _DEFINE:
            _define(_name, _facts, fields.types_of(_owner)[_name])
            GROUPS[_facts.group].append(_name)
            DEFAULTS[_name] = getattr(_owner, _name) if _facts.if_none is None else _facts.if_none
GROUPS["run"].append("profile")


def _given(owner: type) -> dict[str, Any]:
    """The fields of a dataclass that are on the command line."""
    values = {name: FLAGS[name].value for name in fields.facts_of(owner) if name in DEFAULTS}
    return {name: value for name, value in values.items() if value is not None}


def main(argv: list[str]) -> int | None:
    """Trains and prints the result; returns the exit code."""
    common.no_arguments(argv)
    options = Options(**_given(Options), profile=parse(FLAGS.profile))
    recipe = get_recipe(FLAGS.recipe, FLAGS.workdir, **_given(Recipe))
    try:
        metrics = train_and_evaluate(recipe, FLAGS.workdir, options)
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    except LostWorkerError as error:
        print(f"error: {common.one_line(error)}", file=sys.stderr, flush=True)
        # At once: TensorFlow would wait for the other workers before it lets this process end.
        os._exit(LOST_WORKER_EXIT_CODE)
    images = common.counted(metrics.examples, "image")
    print(f"top-1 error {metrics.top1_error:.2%}, top-5 error {metrics.top5_error:.2%} on {images}")
    print(f"TensorBoard: {common.tensorboard(FLAGS.workdir)}")
    end_worker(options.strategy)
    return 0


if __name__ == "__main__":
    common.run(main)
