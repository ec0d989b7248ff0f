"""A run: a trained network with all that is needed to use it, and the directory that holds it."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf import locks, storage
from alexnet_tf.data.file_list import FileList
from alexnet_tf.data.sources import Dataset, check_class_names
from alexnet_tf.data.statistics import Statistics
from alexnet_tf.errors import UserError
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import InputPreprocessing
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.cost import stages
from alexnet_tf.models.precision import policy
from alexnet_tf.models.pretrained.weight_file import WeightFile, check_finite
from alexnet_tf.runs import fields, layout
from alexnet_tf.runs.checkpoints import largest_size, restore_newest
from alexnet_tf.runs.recipe import Recipe, read_recipe
from alexnet_tf.runs.run_dataset import open_run_dataset
from alexnet_tf.runs.samples import sample_images

RESULT_VERSION = 1  # Of result.json.


@dataclasses.dataclass(frozen=True)
class Run:
    """A network with all that is needed to use it.

    Attributes:
        recipe: the resolved recipe.
        class_names: in the order of the network's outputs.
        statistics: of the training set.
        model: from (batch, crop, crop, 3) to probabilities (batch, classes).
        workdir: the run's directory.
    """

    recipe: Recipe
    class_names: tuple[str, ...]
    statistics: Statistics
    model: keras.Model
    workdir: pathlib.Path

    @functools.cached_property
    def mean(self) -> npt.NDArray[np.float32]:
        """The mean that is subtracted from crops: (crop, crop, 3) or (3,)."""
        kind, crop = self.recipe.network.preprocessing.mean, self.recipe.resize_crop.crop
        return np.asarray(self.statistics.mean(kind, crop), np.float32)

    @property
    def preprocessing(self) -> InputPreprocessing:
        """How images are resized and cropped, and the mean that is subtracted."""
        sizes = self.recipe.resize_crop
        return InputPreprocessing(sizes.resize, sizes.crop, self.mean)

    def predictor(self) -> KerasPredictor:
        """The run as a `Predictor`."""
        return KerasPredictor(str(self.workdir), self.class_names, self.preprocessing, self.model)

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The dataset that the run was trained on; what it held out is the validation set."""
        return open_run_dataset(self.recipe, self.workdir)

    @property
    def about(self) -> dict[str, str | int]:
        """Facts for a model card, by name."""
        recipe, file = self.recipe, self.workdir / layout.RESULT
        facts: dict[str, str | int] = {
            "recipe": recipe.name,
            "data": recipe.dataset,
            "precision": recipe.precision,
            "seed": recipe.seed,
        }
        if recipe.weights:
            facts["pretrained weights"] = f"{recipe.weights}, frozen through: {recipe.freeze_through}"
        if recipe.dense_ranks:
            facts["dense ranks"] = ", ".join(f"{layer.layer}: {layer.rank}" for layer in recipe.dense_ranks)
        if recipe.teacher:
            facts["teacher"] = recipe.teacher
        if not file.is_file():
            return {**facts, "error": "unknown: the run is not finished"}
        result = storage.read_json(file, RESULT_VERSION)
        try:
            return {
                **facts,
                "top-1 error": f"{result['top1_error']:.2%} of {result['examples']:,} validation images",
                "top-5 error": f"{result['top5_error']:.2%}",
            }
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"{str(file)!r} must hold the errors of the last validation: {error!s:.200}") from error

    def images(self, split_name: str, count: int) -> npt.NDArray[np.uint8]:
        """Central crops of readable images of the run's dataset.

        Args:
            split_name: `"train"`, of which a random sample is taken, or `"validation"`.
            count: how many images to read at most.

        Returns:
            uint8 (images, crop, crop, 3).
        """
        seed = self.recipe.seed if split_name == "train" else None
        split = getattr(self.dataset, split_name)
        return sample_images(split, len(self.class_names), self.recipe.resize_crop, count, seed)


def is_run(path: str | os.PathLike) -> bool:
    """Whether a directory holds a run."""
    return (pathlib.Path(path) / layout.RECIPE).is_file()


def build_model(recipe: Recipe, classes: int, precision: str = "float32") -> keras.Model:
    """Builds the network of a recipe, with random weights and probabilities as output."""
    crop = recipe.resize_crop.crop
    with policy(precision):
        return AlexNet(recipe.network, input_shape=(crop, crop, 3), classes=classes)


def load_run(workdir: str | os.PathLike, best: bool = False) -> Run:
    """Opens a run at its newest readable checkpoint.

    The model computes in float32, in which its weights are stored, whatever it was trained in.

    Args:
        workdir: directory of the run.
        best: use the checkpoint with the lowest top-1 validation error instead.

    Raises:
        UserError: if there is no run, it has no such checkpoint yet, or its weights are not finite.
    """
    storage.check_no_globs("workdir", workdir)
    workdir = pathlib.Path(workdir)
    if not is_run(workdir):
        raise UserError(f"workdir must hold a run of alexnet-tf train, got {str(workdir)!r}")
    recipe, class_names = read_recipe(workdir), _read_classes(workdir)
    directory = workdir / (layout.BEST if best else layout.CHECKPOINTS)
    _check_size(recipe, len(class_names), directory)
    model = build_model(recipe, len(class_names))
    if restore_newest(tf.train.Checkpoint(model=model), directory, partial=True) is None:
        raise UserError(
            f"workdir must have a checkpoint in {directory.name}/, got {str(workdir)!r}, which has none yet"
        )
    layers = {layer.name: layer.get_weights() for layer in model.layers}
    check_finite(WeightFile(layers, channels_first=False), directory)
    return Run(recipe, class_names, Statistics.load(workdir / layout.STATISTICS), model, workdir)


@contextlib.contextmanager
def locked_workdir(workdir: str | os.PathLike) -> Iterator[None]:
    """Within the context, no other process trains in a workdir, which is created if missing.

    Raises:
        UserError: if the workdir holds other files or cannot be written to, or another process trains in it.
    """
    workdir = pathlib.Path(workdir)
    _refuse_other_files(workdir)
    with contextlib.ExitStack() as stack:
        try:
            (workdir / layout.CHECKPOINTS).mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.hold(workdir / locks.LOCK, f"training in {str(workdir)!r}"))
            storage.sweep(workdir)
        except OSError as error:
            raise UserError(f"workdir must be writable, got {str(workdir)!r}: {error}") from error
        yield


def init_workdir(
    workdir: str | os.PathLike, recipe: Recipe, class_names: Sequence[str], files: FileList | None = None
) -> None:
    """Writes recipe and class names into a new workdir, or checks that an existing one is of the same run.

    Args:
        workdir: an existing directory.
        recipe: the resolved recipe.
        class_names: in the order of the network's outputs.
        files: the dataset's list of files to store, see `run_dataset.check_unchanged`.

    Raises:
        UserError: if the workdir holds a run with another recipe or other classes.
    """
    workdir = pathlib.Path(workdir)
    if is_run(workdir):
        _refuse_other_run(workdir, recipe, class_names)
        if read_recipe(workdir) != recipe:  # A run that is extended is not finished any more.
            (workdir / layout.RESULT).unlink(missing_ok=True)
    if files:
        files.save(workdir / layout.FILES)
    storage.write_text(workdir / layout.CLASSES, json.dumps(class_names) + "\n")
    recipe.save(workdir / layout.RECIPE)


def _check_size(recipe: Recipe, classes: int, directory: pathlib.Path) -> None:
    """Raises UserError if a network has more parameters than fit its checkpoints; to build it could take all memory."""
    size = largest_size(directory)
    needed = sum(stage.parameters for stage in stages(recipe.network, recipe.resize_crop.crop, classes))
    if size and 4 * needed > size:
        raise UserError(
            f"{layout.RECIPE} and {layout.CLASSES} must be of the network whose checkpoints are in {str(directory)!r}, "
            f"got a network of {needed:,} parameters for a checkpoint of {size:,} bytes"
        )


def _read_classes(workdir: pathlib.Path) -> tuple[str, ...]:
    file = workdir / layout.CLASSES
    names = storage.parse_json(file)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{str(file)!r} must be a list of class names, got {str(names)[:100]}")
    check_class_names(names, str(file))
    return tuple(names)


def _refuse_other_files(workdir: pathlib.Path) -> None:
    """Raises UserError if a directory holds files but no run; hidden files and a launcher's logs are allowed."""
    if not workdir.is_dir() or (workdir / layout.CHECKPOINTS).is_dir():
        return
    names = sorted(path.name for path in workdir.iterdir())
    others = [name for name in names if not name.startswith(".") and not name.endswith((".log", ".out", ".err"))]
    if others:
        raise UserError(
            f"workdir must be new, empty or hold a run, got {str(workdir)!r}, which holds {', '.join(others[:5])}"
        )


def _refuse_other_run(workdir: pathlib.Path, recipe: Recipe, class_names: Sequence[str]) -> None:
    """Raises UserError if a workdir's run differs in anything but fields that may change."""
    saved, facts = read_recipe(workdir), fields.facts_of(Recipe)
    differences = [
        f"{field.name}: saved {getattr(saved, field.name)!r}, requested {getattr(recipe, field.name)!r}"
        for field in dataclasses.fields(Recipe)
        if getattr(saved, field.name) != getattr(recipe, field.name)
        and not (field.name in facts and facts[field.name].may_change)
    ]
    if _read_classes(workdir) != tuple(class_names):
        differences.append("class names")
    if differences:
        raise UserError(
            f"workdir must be of the same run, got {str(workdir)!r}, which differs in {'; '.join(differences)}"
        )
