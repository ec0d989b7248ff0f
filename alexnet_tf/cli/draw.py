"""Draws a figure of a run, or of a preset: the paper's figures and others.

alexnet-tf draw FIGURE --workdir=DIR --out=FILE.png

FIGURE is one of
  filters       conv1's kernels as colors, tower by tower (Figure 3 of the paper)
  predictions   validation images with their five most probable labels (Figure 4, left)
  neighbors     validation images with the training images nearest in a layer (Figure 4, right)
  architecture  the layers with their sizes, towers side by side (Figure 2); of a run or of --preset=NAME
  curves        loss and error of any number of runs: --workdir=DIR,DIR
  occlusion     which part of an image counts: draw occlusion IMAGE ...
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.errors import UserError
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import PRESETS
from alexnet_tf.plotting import check_matplotlib
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import Run, load_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLAGS = flags.FLAGS
flags.DEFINE_string("out", None, "file to write: .png, .svg, .pdf or another format of Matplotlib")
flags.DEFINE_list("workdir", [], "directory of the run; for curves, any number with commas between them")
flags.DEFINE_bool("best", False, "use the checkpoint with the lowest validation error instead of the newest")
flags.DEFINE_string("preset", None, f"architecture: draw a preset instead of a run: {', '.join(PRESETS)}")
flags.DEFINE_enum("by", "epoch", ("epoch", "step"), "curves: x axis")
flags.DEFINE_integer("count", None, "predictions: number of images; neighbors: number of query images", lower_bound=1)
flags.DEFINE_integer("seed", 0, "predictions, neighbors: seed that picks the images", lower_bound=0)
flags.DEFINE_string("layer", "fc7", "neighbors: layer whose activations are compared")
flags.DEFINE_integer("examples", 5000, "neighbors: number of training images to search", lower_bound=1)
flags.DEFINE_string("label", None, "occlusion: class whose probability is measured")
flags.DEFINE_string("true_label", None, "occlusion: class that the image shows, to be written above it")

GROUPS = {
    "every figure": ["workdir", "out", "best"],
    "single figures": ["preset", "by", "count", "seed", "layer", "examples", "label", "true_label"],
}
DEFAULTS = {"count": "8 images, 5 query images", "label": "the predicted one"}


def main(argv: list[str]) -> None:
    """Draws one figure and prints where it is."""
    figure, images = _parse(argv[1:])
    check_matplotlib("draw")
    from alexnet_tf.plotting import style

    style.check_suffix(FLAGS.out)
    common.check_out(FLAGS.out)
    style.save(figure.draw(*images), FLAGS.out)
    print(FLAGS.out)


@dataclasses.dataclass(frozen=True)
class Drawing:
    """How a figure is drawn, and which flags it takes besides `workdir` and `out`."""

    draw: Callable[..., "Figure"]
    flags: tuple[str, ...] = ("best",)
    images: int = 0


def _parse(arguments: list[str]) -> tuple[Drawing, list[str]]:
    """The figure and the images that were given, checked against the flags."""
    name, *images = arguments or ["none"]
    if name not in FIGURES:
        raise UserError(f"FIGURE must be one of {', '.join(FIGURES)}, got {name}; see alexnet-tf help draw")
    figure = FIGURES[name]
    if FLAGS.out is None:
        raise UserError(f"out must be given, e.g. --out={name}.png")
    for flag in GROUPS["single figures"] + ["best"]:
        if FLAGS[flag].present and flag not in figure.flags:
            users = [user for user in FIGURES if flag in FIGURES[user].flags]
            raise UserError(f"{flag} must be given with {' or '.join(users)} only, got {name} with --{flag}")
    if len(images) != figure.images:
        rule = "be one image file" if figure.images else "be left out, except with occlusion"
        raise UserError(f"IMAGE must {rule}, got {' '.join(images) or 'none'}")
    _check_workdir(name)
    return figure, images


def _check_workdir(name: str) -> None:
    if FLAGS.preset and FLAGS.workdir:
        raise UserError(f"preset must be given without workdir, got {FLAGS.preset} and {','.join(FLAGS.workdir)}")
    if name == "curves" and not FLAGS.workdir:
        raise UserError("workdir must name at least one run, got none")
    if name != "curves" and not FLAGS.preset and len(FLAGS.workdir) != 1:
        raise UserError(f"workdir must name one run, got {','.join(FLAGS.workdir) or 'none'}")


def _run() -> Run:
    return load_run(FLAGS.workdir[0], FLAGS.best)


def _filters() -> "Figure":
    from alexnet_tf.plotting import filters

    return filters.draw_model(_run().model)


def _predictions() -> "Figure":
    from alexnet_tf.plotting import predictions

    run = _run()
    chosen = predictions.choose(run.predictor(), run.dataset.validation, FLAGS.count or 8, FLAGS.seed)
    return predictions.draw(chosen, run.class_names)


def _neighbors() -> "Figure":
    from alexnet_tf.plotting import neighbors

    run = _run()
    progress = Progress("searching", min(FLAGS.examples, run.dataset.train.count))
    return neighbors.draw_nearest(
        run.predictor(), run.dataset, FLAGS.layer, FLAGS.count or 5, FLAGS.examples, FLAGS.seed, progress.update
    )


def _architecture() -> "Figure":
    from alexnet_tf.plotting import architecture

    if FLAGS.preset:
        name, model = FLAGS.preset, AlexNet(FLAGS.preset)
    else:
        run = _run()
        name, model = f"{run.recipe.preset} of {run.workdir.name}", run.model
    return architecture.draw(model, f"{name}: {model.count_params():,} parameters")


def _curves() -> "Figure":
    from alexnet_tf.plotting import curves

    return curves.draw_runs(FLAGS.workdir, FLAGS.by)


def _occlusion(image: str) -> "Figure":
    from alexnet_tf.plotting import occlusion

    progress = Progress("occluding", occlusion.POSITIONS**2)
    return occlusion.draw_file(_run().predictor(), image, FLAGS.label, FLAGS.true_label, progress.update)


FIGURES = {
    "filters": Drawing(_filters),
    "predictions": Drawing(_predictions, ("best", "count", "seed")),
    "neighbors": Drawing(_neighbors, ("best", "count", "seed", "layer", "examples")),
    "architecture": Drawing(_architecture, ("best", "preset")),
    "curves": Drawing(_curves, ("by",)),
    "occlusion": Drawing(_occlusion, ("best", "label", "true_label"), images=1),
}


if __name__ == "__main__":
    common.run(main)
