"""Draws a figure of a trained network: the paper's figures and others.

alexnet-tf draw FIGURE --model=MODEL --out=FILE.png

FIGURE is one of
  filters       conv1's kernels as colors, tower by tower (Figure 3 of the paper)
  predictions   validation images with their five most probable labels (Figure 4, left)
  neighbors     validation images with the training images nearest in a layer (Figure 4, right)
  architecture  the layers with their sizes, towers side by side (Figure 2); of a network or of --preset=NAME
  curves        loss and error of any number of runs: --workdir=DIR,DIR
  occlusion     which part of an image counts: draw occlusion IMAGE ...
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from absl import flags

from alexnet_tf.cli import common, model_flags
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.sources import Dataset
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.evaluator import check_classes
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.plotting import check_matplotlib
from alexnet_tf.runs.opening import Opened
from alexnet_tf.runs.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLAGS = flags.FLAGS
flags.DEFINE_string("out", None, "file to write: .png, .svg, .pdf or another format of Matplotlib")
flags.DEFINE_string("model", None, model_flags.MODEL)
flags.DEFINE_list("workdir", [], "curves: directories of runs, with commas between them")
flags.DEFINE_string("dataset", None, "predictions, neighbors: dataset with the same classes, instead of the run's own")
flags.DEFINE_enum("by", "epoch", ("epoch", "step"), "curves: x axis")
flags.DEFINE_integer("count", None, "predictions: number of images; neighbors: number of query images", lower_bound=1)
flags.DEFINE_integer("seed", 0, "predictions, neighbors: seed that picks the images", lower_bound=0)
flags.DEFINE_string("layer", None, "neighbors: layer whose activations are compared")
flags.DEFINE_integer("examples", 5000, "neighbors: number of training images to search", lower_bound=1)
flags.DEFINE_string("label", None, "occlusion: class whose probability is measured")
flags.DEFINE_string("true_label", None, "occlusion: class that the image shows, to be written above it")

flags.adopt_module_key_flags(model_flags)

# Flags that only some figures take: `Drawing.flags`.
SINGLE = [
    "model", "best", "preset", "labels", "workdir", "dataset", "by", "count", "seed", "layer", "examples", "label",
    "true_label",
]  # fmt: skip
GROUPS = {"every figure": ["out"], "network": SINGLE[:4], "single figures": SINGLE[4:]}
DEFAULTS = {
    "count": "8 images, 5 query images",
    "label": "the predicted one",
    "layer": "fc7, or the last layer before the logits",
}


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
    """How a figure is drawn, and which flags it takes besides `out`."""

    draw: Callable[..., "Figure"]
    flags: tuple[str, ...]
    images: int = 0


def _parse(arguments: list[str]) -> tuple[Drawing, list[str]]:
    """The figure and the images that were given, checked against the flags."""
    name, *images = arguments or ["none"]
    if name not in FIGURES:
        raise UserError(f"FIGURE must be one of {', '.join(FIGURES)}, got {name}; see alexnet-tf help draw")
    figure = FIGURES[name]
    if FLAGS.out is None:
        raise UserError(f"out must be given, e.g. --out={name}.png")
    for flag in SINGLE:
        if FLAGS[flag].present and flag not in figure.flags:
            users = [user for user in FIGURES if flag in FIGURES[user].flags]
            raise UserError(f"{flag} must be given with {' or '.join(users)} only, got {name} with --{flag}")
    if len(images) != figure.images:
        rule = "be one image file" if figure.images else "be left out, except with occlusion"
        raise UserError(f"IMAGE must {rule}, got {' '.join(images) or 'none'}")
    _check_network(name)
    return figure, images


def _check_network(name: str) -> None:
    if name == "curves" and not FLAGS.workdir:
        raise UserError("workdir must name at least one run, got none")
    if name != "curves" and not FLAGS.model and not (name == "architecture" and FLAGS.preset):
        raise UserError("model must name a network, e.g. --model=cifar10, got none")


def _dataset(opened: Opened) -> Dataset:
    """The dataset that the figure's images are from, which has the classes of the network."""
    if FLAGS.dataset is None:
        if opened.run is None:
            raise UserError("dataset must be given to draw images without a run, got none")
        return opened.run.dataset
    dataset = open_dataset(FLAGS.dataset, opened.run.recipe.dataset_seed if opened.run else 0)
    check_classes(opened.predictor, dataset)
    return dataset


def _filters() -> "Figure":
    from alexnet_tf.plotting import filters

    return filters.draw_model(model_flags.opened().keras_predictor.model)


def _predictions() -> "Figure":
    from alexnet_tf.plotting import predictions

    opened = model_flags.opened()
    chosen = predictions.choose(opened.predictor, _dataset(opened).validation, FLAGS.count or 8, FLAGS.seed)
    return predictions.draw(chosen, opened.predictor.class_names)


def _neighbors() -> "Figure":
    from alexnet_tf.plotting import neighbors

    opened = model_flags.opened()
    dataset = _dataset(opened)
    layer = FLAGS.layer or model_flags.default_layer(opened.predictor)
    progress = Progress("searching", min(FLAGS.examples, dataset.train.count))
    return neighbors.draw_nearest(
        opened.predictor, dataset, layer, FLAGS.count or 5, FLAGS.examples, FLAGS.seed, progress.update
    )


def _architecture() -> "Figure":
    from alexnet_tf.plotting import architecture

    if FLAGS.model is None:
        name, model = FLAGS.preset, AlexNet(FLAGS.preset)
    else:
        opened = model_flags.opened()
        name, model = FLAGS.model, opened.keras_predictor.model
        if opened.run:
            name = f"{opened.run.recipe.preset} of {opened.run.workdir.name}"
    return architecture.draw(model, f"{name}: {model.count_params():,} parameters")


def _curves() -> "Figure":
    from alexnet_tf.plotting import curves

    return curves.draw_runs(FLAGS.workdir, FLAGS.by)


def _occlusion(image: str) -> "Figure":
    from alexnet_tf.plotting import occlusion

    progress = Progress("occluding", occlusion.POSITIONS**2)
    return occlusion.draw_file(model_flags.opened().predictor, image, FLAGS.label, FLAGS.true_label, progress.update)


NETWORK = ("model", "best", "preset")
PHOTOS = (*NETWORK, "labels", "dataset", "count", "seed")
FIGURES = {
    "filters": Drawing(_filters, NETWORK),
    "predictions": Drawing(_predictions, PHOTOS),
    "neighbors": Drawing(_neighbors, (*PHOTOS, "layer", "examples")),
    "architecture": Drawing(_architecture, NETWORK),
    "curves": Drawing(_curves, ("workdir", "by")),
    "occlusion": Drawing(_occlusion, (*NETWORK, "labels", "label", "true_label"), images=1),
}


if __name__ == "__main__":
    common.run(main)
