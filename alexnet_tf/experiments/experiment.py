"""What an experiment is, and how its runs are trained so that an interrupted one continues."""

import dataclasses
import math
import pathlib
import re
import sys
from collections.abc import Callable

import keras

from alexnet_tf.experiments.history import history
from alexnet_tf.runs.recipe import Recipe, read_recipe
from alexnet_tf.runs.run import RESULT
from alexnet_tf.training.loop import Options, train_and_evaluate


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One comparison, as data.

    Attributes:
        name: what `alexnet-tf experiment` takes.
        summary: one line for the list of experiments.
        paper: what the paper reports, a sentence or two.
        recipe: `Recipe` that all variants share.
        variants: {label: fields of the recipe that make the variant}.
        conduct: called with a `Plan` and `settings` as keywords; trains, measures and returns an `Outcome`.
        settings: what `conduct` needs besides.
        quick: fields of the recipe with which it takes minutes on two CPU cores.
        quick_settings: what replaces `settings` then.
    """

    name: str
    summary: str
    paper: str
    recipe: Recipe
    variants: dict
    conduct: Callable
    settings: dict = dataclasses.field(default_factory=dict)
    quick: dict = dataclasses.field(default_factory=dict)
    quick_settings: dict = dataclasses.field(default_factory=dict)

    def plan(self, out, dataset=None, quick=False, seed=0):
        """The `Plan` of this experiment; raises ValueError for a field that is not allowed."""
        fields = {**(self.quick if quick else {}), "seed": seed, "data_seed": seed}
        if dataset is not None:
            fields["dataset"] = dataset
        recipe = dataclasses.replace(self.recipe, **fields)
        settings = {**self.settings, **(self.quick_settings if quick else {})}
        return Plan(self, recipe, settings, pathlib.Path(out), quick)


@dataclasses.dataclass(frozen=True)
class Plan:
    """An experiment about to be made: resolved recipe and settings, the directory for all of it, and its size."""

    experiment: Experiment
    recipe: Recipe
    settings: dict
    out: pathlib.Path
    quick: bool

    @property
    def variants(self):
        """{label: `Recipe`}."""
        return {label: dataclasses.replace(self.recipe, **fields) for label, fields in self.experiment.variants.items()}

    def conduct(self):
        """Trains and measures; returns the `Outcome`."""
        return self.experiment.conduct(self, **self.settings)

    def workdir(self, label):
        """The directory of a run, `two-towers` for `two towers`."""
        return self.out / re.sub(r"[^\w.]+", "-", label)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came out.

    Attributes:
        rows: list of dictionaries with the same keys, the lines of the table; shares and counts as plain numbers.
        finding: what it says, in sentences.
        draw: called with Matplotlib's `Figure`; draws the picture.
    """

    rows: list
    finding: str
    draw: Callable


def train(recipe, workdir):
    """Trains a run to the end of its recipe, unless that was done before; raises as `train_and_evaluate` does."""
    if is_finished(workdir, recipe):
        return
    print(f"run {workdir}", file=sys.stderr)
    # Networks of the runs before would stay in memory otherwise.
    keras.utils.clear_session()
    train_and_evaluate(recipe, workdir, Options())


def is_finished(workdir, recipe):
    """Whether a directory holds a run of this recipe that came to its end, or further."""
    if not (workdir / RESULT).is_file():
        return False
    found = dataclasses.replace(read_recipe(workdir), epochs=recipe.epochs, steps=recipe.steps)
    last = history(workdir, "validation")[-1]
    return found == recipe and (last.step >= recipe.steps if recipe.steps else last.epoch >= recipe.epochs)


def percent(share, digits=2):
    """A share as text: `12.34 %`; of a run that failed, infinity, `not finite`."""
    return f"{100 * share:.{digits}f} %" if share < math.inf else "not finite"
