"""What an experiment consists of, and the training of its runs, which resumes after an interruption."""

import dataclasses
import math
import os
import pathlib
import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras

from alexnet_tf.runs import layout
from alexnet_tf.runs.metrics_log import read_metrics
from alexnet_tf.runs.recipe import Recipe, read_recipe
from alexnet_tf.training.loop import train_and_evaluate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A comparison, as data.

    Attributes:
        name: for `alexnet-tf experiment NAME`.
        summary: title of the report.
        paper: what the paper reports, a sentence or two.
        recipe: the recipe that all variants share.
        variants: {label: fields of the recipe that make the variant}.
        conduct: called with a `Plan` and `settings` as keywords; trains, evaluates and returns an `Outcome`.
        settings: further arguments of `conduct`.
        quick: fields of the recipe with which the experiment takes minutes on two CPU cores.
        quick_settings: what replaces `settings` then.
    """

    name: str
    summary: str
    paper: str
    recipe: Recipe
    variants: Mapping[str, Mapping[str, Any]]
    conduct: Callable[..., "Outcome"]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    quick: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    quick_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def plan(self, out: str | os.PathLike, dataset: str | None = None, quick: bool = False, seed: int = 0) -> "Plan":
        """Resolves the recipe and the settings.

        Args:
            out: directory for all runs and results.
            dataset: replaces the recipe's dataset.
            quick: use the small version.
            seed: of all runs.

        Raises:
            UserError: if a field of the recipe is not allowed.
        """
        fields: dict[str, Any] = {**(self.quick if quick else {}), "seed": seed, "data_seed": seed}
        if dataset is not None:
            fields["dataset"] = dataset
        recipe = dataclasses.replace(self.recipe, **fields)
        settings = {**self.settings, **(self.quick_settings if quick else {})}
        return Plan(self, recipe, settings, pathlib.Path(out), quick)


@dataclasses.dataclass(frozen=True)
class Plan:
    """An experiment with its resolved recipe and settings, and the directory for its runs and results."""

    experiment: Experiment
    recipe: Recipe
    settings: Mapping[str, Any]
    out: pathlib.Path
    quick: bool

    @property
    def variants(self) -> dict[str, Recipe]:
        """{label: recipe}."""
        return {label: dataclasses.replace(self.recipe, **fields) for label, fields in self.experiment.variants.items()}

    def conduct(self) -> "Outcome":
        """Trains and evaluates all variants; finished runs are kept."""
        return self.experiment.conduct(self, **self.settings)

    def workdir(self, label: str) -> pathlib.Path:
        """The directory of a run: `two-towers` for `two towers`."""
        return self.out / re.sub(r"[^\w.]+", "-", label)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of an experiment.

    Attributes:
        rows: the rows of the table, dictionaries with the same keys; errors as fractions.
        conclusion: the result in sentences.
        draw: makes the plot.
    """

    rows: list[dict[str, Any]]
    conclusion: str
    draw: Callable[[], "Figure"]


def train(recipe: Recipe, workdir: pathlib.Path) -> None:
    """Trains a run to the end of its recipe, unless it is finished; raises as `train_and_evaluate` does."""
    if is_finished(workdir, recipe):
        return
    print(f"run {workdir}", file=sys.stderr)
    # Without this, the networks of earlier runs stay in memory.
    keras.utils.clear_session()
    train_and_evaluate(recipe, workdir)


def is_finished(workdir: pathlib.Path, recipe: Recipe) -> bool:
    """Whether a directory holds a finished run of this recipe that is at least as long."""
    if not (workdir / layout.RESULT).is_file():
        return False
    trained = dataclasses.replace(read_recipe(workdir), epochs=recipe.epochs, steps=recipe.steps)
    last = read_metrics(workdir, "validation")[-1]
    return trained == recipe and (last["step"] >= recipe.steps if recipe.steps else last["epoch"] >= recipe.epochs)


def percent(fraction: float, digits: int = 2) -> str:
    """A fraction as text: `12.34 %`, or `not finite`."""
    return f"{100 * fraction:.{digits}f} %" if fraction < math.inf else "not finite"
