"""Compresses a run: projects its dense layers, then fine-tunes the smaller network with the larger one as teacher."""

import dataclasses
import os
import pathlib
import sys

from alexnet_tf import optional, storage
from alexnet_tf.compression.projection import Components, components_of, project
from alexnet_tf.compression.ranks import Ranks, check_target, choose_ranks, compressible, int4_bytes
from alexnet_tf.compression.report import SMALLEST, Compression, State, measure_files
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.evaluator import evaluate
from alexnet_tf.evaluation.metrics import Metrics
from alexnet_tf.exporting import tflite
from alexnet_tf.models.pretrained.writers import save_weights
from alexnet_tf.runs import layout
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.recipe import DenseRank, Recipe, read_recipe
from alexnet_tf.runs.run import Run, build_model, init_workdir, is_run, load_run, locked_workdir
from alexnet_tf.training.loop import train_and_evaluate
from alexnet_tf.training.options import Options

# Images whose activations are projected: enough for ranks of several hundred.
IMAGES = 2_000
# Of the fine-tuning.
_LEARNING_RATE, _LEAST_STEPS = 1e-4, 100


def compress(
    workdir: str | os.PathLike,
    out: str | os.PathLike,
    target_mb: float = 4.0,
    epochs: int | None = None,
    options: Options = Options(),  # noqa: B008
) -> Compression:
    """Makes a smaller network of a run, or resumes that.

    The result is a run like any other: its recipe has `dense_ranks`, and the larger network as `teacher`.

    Args:
        workdir: directory of a finished run.
        out: directory of the smaller network's run; created if missing, resumed if begun with the same arguments.
        target_mb: largest size of its `tflite_int4` file, in 10^6 bytes.
        epochs: passes over the training set; if not given, a tenth of the run's steps, at least 100.
        options: how to train it.

    Raises:
        UserError: if the run is not finished, has no large dense layer or is compressed already, the target cannot be
            reached or the file is that small already, the extra `int4` is missing, or `out` cannot be used.
        Interrupted, LossNotFiniteError, SaveError: as `train_and_evaluate`.
    """
    optional.require("ai_edge_quantizer", "compress", "pip install 'alexnet-tf[int4]'")
    workdir, out = pathlib.Path(workdir), pathlib.Path(out)
    storage.check_no_globs("out", out)
    if out.resolve() == workdir.resolve():
        raise UserError(f"out must be another directory than workdir, got {str(out)!r} for both")
    if is_run(out):
        _check_same(Compression.load(out), workdir, out, target_mb)
    else:
        _begin(_finished_run(workdir), out, target_mb, epochs)
    recipe = read_recipe(out)
    if epochs:
        recipe = dataclasses.replace(recipe, epochs=epochs, steps=None)
    return _finish(out, train_and_evaluate(recipe, out, options))


def _finished_run(workdir: pathlib.Path) -> Run:
    run = load_run(workdir)
    if not (workdir / layout.RESULT).is_file():
        raise UserError(f"workdir must hold a finished run, got {str(workdir)!r}; alexnet-tf train resumes it")
    if run.recipe.dense_ranks:
        raise UserError(
            f"workdir must hold a run that is not compressed, got {str(workdir)!r}; compress {run.recipe.teacher!r} "
            "again, with another target_mb"
        )
    return run


def _check_same(begun: Compression, workdir: pathlib.Path, out: pathlib.Path, target_mb: float) -> None:
    """Raises UserError if a directory was begun with other arguments."""
    if pathlib.Path(begun.source).resolve() != workdir.resolve() or begun.target_mb != target_mb:
        raise UserError(
            f"out must be new, or begun with the same arguments, got {str(out)!r}, which was begun with "
            f"workdir={begun.source!r} and target_mb={begun.target_mb:g}"
        )


def _begin(source: Run, out: pathlib.Path, target_mb: float, epochs: int | None) -> None:
    """Writes all that the training of the smaller network begins with; the recipe, which makes it a run, comes last."""
    network = source.recipe.network, source.recipe.resize_crop.crop, len(source.class_names)
    layers = compressible(*network)
    if not layers:
        raise UserError(f"workdir must hold a network with large dense layers, got preset {source.recipe.preset!r}")
    if target_mb * 1e6 >= int4_bytes(*network):
        raise UserError(
            f"target_mb must be below {int4_bytes(*network) / 1e6:.2f}, the size of the int4 file before, got "
            f"{target_mb:g}"
        )
    check_target(*network, target_mb * 1e6)
    with locked_workdir(out):
        before = _evaluate(source, "before")
        components = components_of(source, list(layers), IMAGES)
        smaller = projected(source, out, components, target_mb * 1e6, epochs)
        start = _evaluate(smaller, "projected")
        smaller.statistics.save(out / layout.STATISTICS)
        save_weights(smaller.model, smaller.recipe.network, out / layout.INITIAL_WEIGHTS)
        if (source.workdir / layout.FILES).is_file():  # By which held-out images stay held out.
            storage.write_bytes(out / layout.FILES, storage.read_bytes(source.workdir / layout.FILES))
        states = State.of(source, before), State.of(smaller, start)
        Compression(str(source.workdir), target_mb, *states).save(out)
        init_workdir(out, smaller.recipe, source.class_names)


def projected(
    source: Run, out: pathlib.Path, components: dict[str, Components], target_bytes: float, epochs: int | None = None
) -> Run:
    """The smaller network before its fine-tuning, with the best ranks for which its file is as small as wanted.

    Args:
        source: the run that is compressed.
        out: workdir of the smaller network.
        components: of the layers that may be compressed.
        target_bytes: largest size of its file.
        epochs: as for `compress`.

    Raises:
        UserError: as `choose_ranks`.
    """
    sizes, most_bytes = (source.recipe.resize_crop.crop, len(source.class_names)), target_bytes
    while True:
        ranks = choose_ranks(source.recipe.network, *sizes, components, most_bytes)
        recipe = _recipe(source, ranks, epochs)
        smaller = Run(recipe, source.class_names, source.statistics, build_model(recipe, sizes[1]), out)
        project(source.model, smaller.model, components)
        size = len(tflite.convert(smaller.predictor(), SMALLEST))
        if size <= target_bytes:
            chosen = ", ".join(f"{name} {rank}" for name, rank in ranks.items())
            print(f"Ranks: {chosen}. {SMALLEST}: {size:,} bytes", file=sys.stderr)
            return smaller
        most_bytes = target_bytes - (size - int4_bytes(recipe.network, *sizes))  # By what was computed too low.


def _recipe(source: Run, ranks: Ranks, epochs: int | None) -> Recipe:
    """The recipe of the smaller network: the source's data and augmentation, with a small learning rate."""
    recipe, examples = source.recipe, source.dataset.train.count
    steps = max(recipe.total_steps(examples) // 10, _LEAST_STEPS)
    return dataclasses.replace(
        recipe,
        name=f"{recipe.name}_compressed",
        dense_ranks=tuple(DenseRank(name, rank) for name, rank in ranks.items()),
        teacher=str(source.workdir),
        weights=None,
        freeze_through="none",
        epochs=epochs or 1,
        steps=None if epochs else steps,
        optimizer="adam",
        learning_rate=_LEARNING_RATE,
        lr_reference_batch_size=None,
        head_lr_multiplier=1.0,
        layer_learning_rates=(),
        schedule="cosine",
        warmup_steps=0,
        # The last epochs' augmentation.
        color_noise=recipe.color_noise and recipe.color_noise_end_epoch is None,
        color_noise_end_epoch=None,
        evaluate_every=None,
    )


def _evaluate(run: Run, state: str) -> Metrics:
    validation = run.dataset.validation
    return evaluate(run.predictor(), validation, progress=Progress(f"validating {state}", validation.count).update)


def _finish(out: pathlib.Path, metrics: Metrics) -> Compression:
    """Measures the files of both networks, one after the other, and stores the report."""
    begun, smaller = Compression.load(out), load_run(out)
    source = load_run(begun.source)
    before = dataclasses.replace(begun.before, files=[file.fields() for file in measure_files(source)])
    report = dataclasses.replace(begun, before=before, after=State.of(smaller, metrics, measure_files(smaller)))
    report.save(out)
    return report
