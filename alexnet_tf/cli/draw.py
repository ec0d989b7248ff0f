"""Draws a picture of a run, or of a preset: the paper's figures and others.

alexnet-tf draw FIGURE --workdir=DIR --out=FILE.png

FIGURE is one of
  filters       conv1's kernels as colors, tower by tower (Figure 3 of the paper)
  predictions   validation images with their five most probable labels (Figure 4, left)
  neighbors    the training images that the last hidden layer finds nearest (Figure 4, right)
  architecture  the layers with their sizes, towers apart (Figure 2); of a run or of --preset=NAME
  curves        losses and errors of any number of runs over each other: --workdir=DIR,DIR
  occlusion     one image: how a class's probability falls as a gray square hides parts of it
"""

import pathlib

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.cli.startup import tf
from alexnet_tf.inference.predictor import check_layer, prepare
from alexnet_tf.models import cost
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import PRESETS
from alexnet_tf.plotting import check_matplotlib
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import load_run
from alexnet_tf.training.journal import read_metrics

FLAGS = flags.FLAGS
flags.DEFINE_list("workdir", [], "directory of the run; of several for curves, with commas between")
flags.DEFINE_string("out", None, "file to write: .png, .svg, .pdf or another that Matplotlib knows", required=True)
flags.DEFINE_bool("best", False, "the checkpoint with the lowest validation error instead of the newest")
flags.DEFINE_integer("count", None, "predictions: images, 8; neighbors: queries, 5", lower_bound=1)
flags.DEFINE_integer("seed", 0, "predictions, neighbors: which images", lower_bound=0)
flags.DEFINE_string("layer", "fc7", "neighbors: whose activations are compared")
flags.DEFINE_integer("examples", 5000, "neighbors: training images that are searched", lower_bound=1)
flags.DEFINE_string("label", None, "occlusion: the class that is looked at; the most probable one if not given")
flags.DEFINE_string("preset", None, f"architecture: {', '.join(PRESETS)}, instead of a run")
flags.DEFINE_enum("by", "epoch", ("epoch", "step"), "curves: what lies along the axis")

_USED_BY = {
    "count": ("predictions", "neighbors"),
    "seed": ("predictions", "neighbors"),
    "layer": ("neighbors",),
    "examples": ("neighbors",),
    "label": ("occlusion",),
    "preset": ("architecture",),
    "by": ("curves",),
    "best": ("filters", "predictions", "neighbors", "architecture", "occlusion"),
}


def main(argv):
    """Draws one figure and says where it is."""
    figure, images = _figure(argv[1:])
    check_matplotlib("draw")
    from alexnet_tf.plotting import style

    style.check_suffix(FLAGS.out)
    common.check_out(FLAGS.out)
    style.save(_DRAW[figure](*images), FLAGS.out)
    print(FLAGS.out)


def _figure(arguments):
    """The figure's name and the images that were given, checked against the flags."""
    figure, *images = arguments or [None]
    if figure not in _DRAW:
        raise ValueError(f"FIGURE must be one of {', '.join(_DRAW)}. Received: {figure or 'none'}")
    for name, figures in _USED_BY.items():
        if FLAGS[name].present and figure not in figures:
            raise ValueError(f"{name} is a flag of {', '.join(figures)}. Received: {figure} with --{name}")
    wanted = 1 if figure == "occlusion" else 0
    if len(images) != wanted:
        raise ValueError(
            f"IMAGE must be {'one image file' if wanted else 'left out, except with occlusion'}. "
            f"Received: {' '.join(images) or 'none'}"
        )
    if len(FLAGS.workdir) + bool(FLAGS.preset) != 1 and (figure != "curves" or not FLAGS.workdir):
        allowed = {"curves": "at least one run", "architecture": "one run, or preset be given instead"}
        raise ValueError(
            f"workdir must name {allowed.get(figure, 'one run')}. Received: workdir={','.join(FLAGS.workdir)}"
            + (f", preset={FLAGS.preset}" if FLAGS.preset else "")
        )
    return figure, images


def _run():
    return load_run(FLAGS.workdir[0], FLAGS.best)


def _filters():
    from alexnet_tf.plotting import filters

    model = _run().model
    return filters.draw(model.get_layer("conv1").kernel.numpy(), cost.towers(model))


def _predictions():
    from alexnet_tf.plotting import predictions

    run = _run()
    found = predictions.choose(common.classifier(run), run.dataset.validation, FLAGS.count or 8, FLAGS.seed)
    return predictions.draw(found, run.class_names)


def _neighbors():
    from alexnet_tf.plotting import neighbors

    run, layer = _run(), FLAGS.layer
    classifier, train = common.classifier(run), run.dataset.train
    check_layer(layer, classifier.outputs)
    queries, labels = neighbors.choose(classifier, run.dataset.validation, FLAGS.count or 5, FLAGS.seed)
    examples = min(FLAGS.examples, train.count)
    progress = Progress("searching", examples)
    nearest = neighbors.search(
        classifier, train, queries, layer, examples=examples, seed=FLAGS.seed, progress=progress.update
    )
    title = f"nearest in {layer} of {examples:,} training images; numbers are Euclidean distances"
    return neighbors.draw(queries, labels, nearest, run.class_names, title)


def _architecture():
    from alexnet_tf.plotting import architecture

    if FLAGS.preset:
        name, model = FLAGS.preset, AlexNet(FLAGS.preset)
    else:
        run = _run()
        name, model = f"{run.recipe.preset} of {run.workdir.name}", run.model
    return architecture.draw(model, f"{name}: {model.count_params():,} weights")


def _curves():
    from alexnet_tf.plotting import curves

    rows = [(read_metrics(workdir, "train"), read_metrics(workdir, "validation")) for workdir in FLAGS.workdir]
    return curves.draw(dict(zip(curves.names(FLAGS.workdir), rows, strict=True)), FLAGS.by)


def _occlusion(image):
    from alexnet_tf.plotting import occlusion

    try:
        encoded = pathlib.Path(image).read_bytes()
    except OSError as error:
        raise ValueError(f"IMAGE must be a file that can be read: {error.strerror}. Received: {image}") from error
    run = _run()
    if FLAGS.label is not None and FLAGS.label not in run.class_names:
        raise ValueError(f"label must be one of {', '.join(run.class_names[:20])}. Received: label={FLAGS.label!r}")
    try:
        pixels = prepare(encoded, run.resize_crop.resize, run.resize_crop.crop).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"IMAGE must be a JPEG, PNG, GIF or BMP image. Received: {image}") from error
    classifier = common.classifier(run)
    seen = classifier.probabilities(pixels[None])[0].numpy()
    label = seen.argmax() if FLAGS.label is None else run.class_names.index(FLAGS.label)
    progress = Progress("hiding", occlusion.PLACES**2)
    hidden = occlusion.scan(classifier, pixels, label, progress.update)
    return occlusion.draw(pixels, hidden, seen[label], run.class_names[label])


_DRAW = {
    "filters": _filters,
    "predictions": _predictions,
    "neighbors": _neighbors,
    "architecture": _architecture,
    "curves": _curves,
    "occlusion": _occlusion,
}


if __name__ == "__main__":
    common.run(main)
