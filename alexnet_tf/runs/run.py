"""A run's directory: what is kept in it, how it is opened again, and how another run's is refused."""

import dataclasses
import functools
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.data import datasets, pipeline
from alexnet_tf.data.statistics import Statistics
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.precision import policy
from alexnet_tf.models.presets import get_preset
from alexnet_tf.runs.checkpoints import BEST, LAST, restore_newest
from alexnet_tf.runs.recipe import RECIPE, Recipe, read_recipe

CLASSES, STATISTICS, RESULT = "classes.json", "statistics.npz", "result.json"
# A run may be made longer; everything else would make it a different run.
_MAY_CHANGE = ("epochs", "steps", "evaluate_every")


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained network with all that is needed to use it.

    Attributes:
        recipe: the resolved `Recipe`.
        class_names: tuple of str.
        statistics: `Statistics` of the training set.
        model: `keras.Model` with probabilities as output.
        workdir: `pathlib.Path`.
    """

    recipe: Recipe
    class_names: tuple
    statistics: Statistics
    model: keras.Model
    workdir: pathlib.Path

    @property
    def resize_crop(self):
        """`ResizeCrop` of images."""
        return self.recipe.resize_crop

    @property
    def mean(self):
        """What is subtracted from a crop: float32 (crop, crop, 3) or (3,)."""
        return input_mean(self.recipe, self.statistics)

    @functools.cached_property
    def dataset(self):
        """The run's own `Dataset`."""
        return datasets.open_dataset(self.recipe.dataset, self.recipe.dataset_seed)

    @property
    def about(self):
        """What a model card says of the run: a dictionary of plain values."""
        recipe, file = self.recipe, self.workdir / RESULT
        known = {"recipe": recipe.name, "data": recipe.dataset, "precision": recipe.precision, "seed": recipe.seed}
        if recipe.weights:
            known["began with"] = f"the weights of {recipe.weights}, kept up to {recipe.freeze_through}"
        if not file.is_file():
            return {**known, "error": "not known: the run is not finished"}
        result = json.loads(file.read_text())
        return {
            **known,
            "top-1 error": f"{result['top1_error']:.2%} of {result['examples']:,} validation images",
            "top-5 error": f"{result['top5_error']:.2%}",
        }

    def images(self, part, count):
        """Central crops of `count` images of the run's `"train"` or `"validation"` split: uint8 (…, crop, crop, 3).

        Of training images, a fair sample; images that cannot be read are left out.
        """
        split = getattr(self.dataset, part)
        count = min(count, split.count)
        seed = self.recipe.seed if part == "train" else None
        batches = pipeline.evaluation_batches(split, len(self.class_names), count, self.resize_crop, seed=seed)
        batch = next(iter(batches))
        return batch["image"].numpy()[batch["weight"].numpy() > 0]


def input_mean(recipe, statistics):
    """The mean that a recipe's network wants subtracted."""
    return np.asarray(
        statistics.mean(get_preset(recipe.preset).preprocessing.mean, recipe.resize_crop.crop), np.float32
    )


def is_run(path):
    """Whether a directory holds a run."""
    return (pathlib.Path(path) / RECIPE).is_file()


def build_model(recipe, classes, precision="float32"):
    """The network of a recipe, with fresh weights and probabilities as output; it computes in that precision."""
    crop = recipe.resize_crop.crop
    with policy(precision):
        return AlexNet(recipe.network(), input_shape=(crop, crop, 3), classes=classes)


def check_size(recipe):
    """Raises ValueError if a recipe's network has nothing left of images of its size.

    A narrow copy of it is built, for widths change no sides.
    """
    try:
        build_model(dataclasses.replace(recipe, width=1 / 16), classes=2)
    except ValueError as error:
        raise ValueError(f"image_size must suit the network. Received: {recipe.resize_crop.crop}: {error}") from error


def load_run(workdir, best=False):
    """Opens a run at its newest checkpoint that can be read.

    Args:
        workdir: directory of the run.
        best: True for the checkpoint with the lowest top-1 validation error instead.

    Raises:
        ValueError: if there is no run, or it has no checkpoint yet.
    """
    workdir = pathlib.Path(workdir)
    if not is_run(workdir):
        raise ValueError(f"workdir must hold a run of alexnet-tf train. Received: workdir={str(workdir)!r}")
    recipe = read_recipe(workdir)
    class_names = tuple(json.loads((workdir / CLASSES).read_text()))
    # In float32, whatever it was trained in: that is what its weights are kept in.
    model = build_model(recipe, len(class_names))
    whole = lambda status: status.expect_partial().assert_existing_objects_matched()  # noqa: E731
    if restore_newest(tf.train.Checkpoint(model=model), workdir / (BEST if best else LAST), whole) is None:
        missing = "no validation yet, so no best checkpoint" if best else "no checkpoint yet"
        raise ValueError(f"workdir has {missing}. Received: workdir={str(workdir)!r}")
    return Run(recipe, class_names, Statistics.load(workdir / STATISTICS), model, workdir)


def init_workdir(workdir, recipe, class_names):
    """Makes a workdir this run's, or checks that it is.

    Raises:
        ValueError: if it cannot be written to, holds other things, or belongs to a run with another recipe or other
            classes.
    """
    workdir = pathlib.Path(workdir)
    _refuse_strangers(workdir)
    try:
        (workdir / LAST).mkdir(parents=True, exist_ok=True)
        probe = workdir / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"workdir cannot be written to: {error}. Received: workdir={str(workdir)!r}") from error
    if is_run(workdir):
        _refuse_another(workdir, recipe, class_names)
        if read_recipe(workdir) != recipe:  # A run that is made longer is not finished any more.
            (workdir / RESULT).unlink(missing_ok=True)
    _write(workdir / CLASSES, json.dumps(class_names) + "\n")
    _write(workdir / RECIPE, recipe.to_json())


def _write(path, text):
    """Writes a file so that it is never seen half written."""
    partial = path.with_name(f"{path.name}.new")
    partial.write_text(text)
    partial.replace(path)


def _refuse_strangers(workdir):
    """Raises ValueError if a directory is no run's and not empty; hidden files and logs of a launcher may be there."""
    if not workdir.is_dir() or (workdir / LAST).is_dir():
        return
    found = sorted(path.name for path in workdir.iterdir())
    strangers = [name for name in found if not name.startswith(".") and not name.endswith((".log", ".out", ".err"))]
    if strangers:
        raise ValueError(
            "workdir must be new, empty or a run's. "
            f"Received: workdir={str(workdir)!r}, which holds {', '.join(strangers[:5])}"
        )


def _refuse_another(workdir, recipe, class_names):
    before = dataclasses.asdict(read_recipe(workdir))
    now = dataclasses.asdict(recipe)
    changed = [f"{k}: {before[k]!r} there, {now[k]!r} now" for k in now if k not in _MAY_CHANGE and before[k] != now[k]]
    if tuple(json.loads((workdir / CLASSES).read_text())) != tuple(class_names):
        changed.append("the class names")
    if changed:
        raise ValueError(f"workdir {str(workdir)!r} belongs to another run; it differs in {'; '.join(changed)}")
