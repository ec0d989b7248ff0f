"""Each figure from arrays whose picture is known, and the command."""

import dataclasses
import itertools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import UNWATCHED, dark_and_light
from matplotlib.axis import Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.models import cost
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import PRESETS
from alexnet_tf.plotting import architecture, curves, filters, neighbors, occlusion, palette, predictions, sample, style
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.training.loop import train_and_evaluate


@dataclasses.dataclass
class Fake:
    """A classifier of which a test says what it answers."""

    answer: object
    class_names: tuple = ("dark", "light")
    resize_crop: ResizeCrop = ResizeCrop(76, 67)
    mean: tuple = (100, 110, 120)

    def probabilities(self, pixels):
        return self.answer(tf.cast(pixels, tf.float32))

    def layers(self, pixels, *names):
        return {name: self.probabilities(pixels) for name in names}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(f"folder:{dark_and_light(tmp_path_factory.mktemp('images') / 'set')}")


def _assert_no_text_overlaps(figure):
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    # Ticks are Matplotlib's to place, and there are more of them than are drawn.
    ticks = {label for tick in figure.findobj(Tick) for label in (tick.label1, tick.label2)}
    artists = [text for text in figure.findobj(Text) if text.get_text().strip() and text not in ticks]
    boxes = [(artist.get_text(), artist.get_window_extent(renderer)) for artist in artists]
    assert boxes
    for (one, box), (other, another) in itertools.combinations(boxes, 2):
        assert not box.padded(-1).overlaps(another.padded(-1)), (one, other)
    for text, box in boxes:
        assert figure.bbox.padded(2).contains(box.x0, box.y0) and figure.bbox.padded(2).contains(box.x1, box.y1), text


@pytest.mark.parametrize("towers, rows, columns", [(2, 2, 6), (1, 2, 12)])
def test_filters_are_in_their_towers_and_on_one_scale(towers, rows, columns):
    # Kernel k is of one color, from -1 to 1; the last is the brightest of all.
    values = np.linspace(-1, 1, 24, dtype=np.float32)
    kernels = np.broadcast_to(values, (5, 5, 3, 24))
    figure = filters.draw(kernels, towers)
    axes = figure.axes
    assert [a.get_ylabel() for a in axes] == (["tower 1", "tower 2"] if towers == 2 else [""])
    shown = [a.images[0].get_array()[2::6, 2::6, 0] for a in axes]
    assert all(sheet.shape == (rows, columns) for sheet in shown)
    np.testing.assert_allclose(np.concatenate(shown).ravel(), (values + 1) / 2, atol=1e-6)
    _assert_no_text_overlaps(figure)


def test_filters_refuse_what_has_no_colors():
    with pytest.raises(ValueError, match="kernels must be of shape"):
        filters.draw(np.zeros([5, 5, 4, 8]))
    with pytest.raises(ValueError, match="kernels must be of shape"):
        filters.draw(np.zeros([5, 5, 3, 9]), towers=2)


def test_architecture_of_the_paper():
    model = AlexNet("paper")
    stages = {stage.name: stage for stage in architecture.stages(model)}
    assert list(stages) == ["image", "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    # Figure 2 of the paper and its caption.
    sizes = ["227×227×3", "55×55×48", "27×27×128", *["13×13×192"] * 2, "13×13×128", "2048", "2048", "1000"]
    assert [stage.size for stage in stages.values()] == sizes
    assert [name for name, stage in stages.items() if stage.crosses] == ["conv3", "fc6", "fc7", "fc8"]
    assert stages["conv2"].kernel == (5, 5, 48) and stages["conv3"].kernel == (3, 3, 256)
    assert stages["conv1"].notes == ["LRN", "max pool 3/2", "→ 27×27"]
    figure = architecture.draw(model, "paper")
    _assert_no_text_overlaps(figure)
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    # Two lines a cone: conv3, fc6 and fc7 have four cones that cross, fc8 two.
    assert len(dashed) == 2 * (3 * 4 + 2)


@pytest.mark.parametrize("name", PRESETS)
def test_architecture_of_every_preset(name):
    preset = PRESETS[name].widened(1 / 16)
    model = AlexNet(preset, classes=10)
    figure = architecture.draw(model, name)
    assert len(architecture.stages(model)) == 1 + sum(hasattr(layer, "kernel") for layer in model.layers)
    _assert_no_text_overlaps(figure)
    names = {label.get_text() for legend in figure.legends for label in legend.get_texts()}
    assert names == ({"tower 1", "tower 2", "towers cross"} if cost.towers(model) == 2 else set())


def test_architecture_without_a_top():
    model = AlexNet(PRESETS["paper"].widened(1 / 16), include_top=False, input_shape=(67, 67, 3))
    assert architecture.stages(model)[-1].name == "conv5"
    architecture.draw(model)


def _always_dark(pixels):
    return tf.tile([[0.8, 0.2]], [tf.shape(pixels)[0], 1])


def test_predictions_are_half_right_and_half_wrong_and_marked(dataset):
    chosen = predictions.choose(Fake(_always_dark), dataset.validation, 4, seed=1)
    assert chosen.right.tolist() == [True, True, False, False]
    again = predictions.choose(Fake(_always_dark), dataset.validation, 4, seed=1)
    np.testing.assert_array_equal(chosen.images, again.images)
    another = predictions.choose(Fake(_always_dark), dataset.validation, 4, seed=2)
    assert not np.array_equal(chosen.images, another.images)
    # Whether an image is dark is seen, so the labels are those of their images.
    np.testing.assert_array_equal(chosen.images.mean((1, 2, 3)) > 127, chosen.labels == 1)
    figure = predictions.draw(chosen, ("dark", "light"))
    for axes, label in zip(figure.axes[4:], chosen.labels, strict=True):
        colors = [patch.get_facecolor()[:3] for patch in axes.patches]
        # Bars from the most probable down: dark, light.
        assert colors.index(to_rgb(palette.VERMILLION)) == label
        assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.8, 0.2])
        assert axes.texts[2 * label].get_text() == f"✓ {('dark', 'light')[label]}"
    _assert_no_text_overlaps(figure)


def test_predictions_where_none_is_wrong(dataset):
    def brightness(pixels):
        light = tf.cast(tf.reduce_mean(pixels, [1, 2, 3]) > 127, tf.float32)
        return tf.stack([1 - light, light], 1)

    chosen = predictions.choose(Fake(brightness), dataset.validation, 20)
    assert len(chosen.labels) == 14 and chosen.right.all()


def test_neighbors_are_the_nearest_of_all(dataset):
    fake = Fake(lambda pixels: tf.reduce_mean(pixels, [1, 2]))
    queries, labels = neighbors.choose(fake, dataset.validation, 3)
    assert set(labels) == {0, 1} and len(queries) == 3
    counts = []
    nearest = neighbors.search(fake, dataset.train, queries, "fc7", count=4, progress=counts.append)
    assert counts[-1] == dataset.train.count == 42
    every = np.concatenate([images for images, _ in sample.batches(fake, dataset.train, 42, 0)]).astype(np.float64)
    for query, found in zip(queries.astype(np.float64), nearest, strict=True):
        distances = np.linalg.norm(every.mean((1, 2)) - query.mean((0, 1)), axis=1)
        np.testing.assert_allclose([row.distance for row in found], np.sort(distances)[:4], rtol=1e-3)
        np.testing.assert_array_equal(found[0].image, every[distances.argmin()])
    figure = neighbors.draw(queries, labels, nearest, ("dark", "light"), "title")
    other = 1 - labels[0]
    odd = [[neighbors.Neighbor(1.0, other, queries[0])]]
    caption = neighbors.draw(queries[:1], labels[:1], odd, ("dark", "light")).axes[2].xaxis.label
    assert caption.get_text().startswith("✗ ") and caption.get_color() == palette.VERMILLION
    _assert_no_text_overlaps(figure)


def test_a_set_that_cannot_be_read_is_no_picture(tmp_path):
    for name in ("dark", "light"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "train" / name / f"{number}.jpg").write_text("This is no image.")
    split = open_dataset(f"folder:{tmp_path}").train
    fake = Fake(lambda pixels: tf.reduce_mean(pixels, [1, 2]))
    for figure in (neighbors, predictions):
        with pytest.raises(ValueError, match="no image to draw"):
            figure.choose(fake, split)


def test_occlusion_finds_the_pixel_that_counts():
    # The class depends on the red of one pixel, at a quarter of the width and three quarters of the height.
    y, x = 51, 17

    def red(pixels):
        return tf.stack([1 - pixels[:, y, x, 0] / 255, pixels[:, y, x, 0] / 255], 1)

    pixels = np.full([67, 67, 3], 255, np.uint8)
    hidden = occlusion.scan(Fake(red), pixels, 1)
    np.testing.assert_allclose(np.unique(hidden), [100 / 255, 1], rtol=1e-6)
    rows, columns = np.nonzero(hidden < 1)
    cell = 67 / occlusion.PLACES
    assert (rows.mean() + 0.5) * cell == pytest.approx(y + 0.5, abs=cell)
    assert (columns.mean() + 0.5) * cell == pytest.approx(x + 0.5, abs=cell)
    # As wide as the square, in cells.
    assert np.ptp(rows) + 1 == pytest.approx(occlusion.SQUARE * occlusion.PLACES, abs=1)
    figure = occlusion.draw(pixels, hidden, 1.0, "light")
    _assert_no_text_overlaps(figure)


def _rows(*values):
    return [{"step": 10 * i, "epoch": i / 2, "loss": v, "top1_error": v / 10} for i, v in enumerate(values, 1)]


def test_curves_of_several_runs():
    runs = {"a": (_rows(3.0, 2.0), _rows(2.5)), "b": (_rows(4.0), [])}
    figure = curves.draw(runs, "step")
    loss, error = figure.axes
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [[10, 3], [20, 2]])
    np.testing.assert_allclose(error.lines[1].get_xydata(), [[10, 0.25]])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert loss.lines[0].get_color() != loss.lines[2].get_color()
    np.testing.assert_allclose(curves.draw(runs).axes[0].lines[0].get_xdata(), [0.5, 1])
    _assert_no_text_overlaps(figure)
    with pytest.raises(ValueError, match="has trained some steps"):
        curves.draw({"a": ([], [])})


def test_long_curves_are_thinned_to_means():
    values = np.arange(1.0, 601.0)
    line = curves.draw({"a": (_rows(*values), [])}).axes[0].lines[0].get_ydata()
    assert len(line) == 60 and line[0] == values[:10].mean() and line[-1] == values[-10:].mean()


def test_runs_are_named_by_what_tells_them_apart():
    assert curves.names(["runs/a", "/x/b/"]) == ["a", "b"]
    assert curves.names(["one/run", "two/run"]) == ["one/run", "two/run"]


def test_class_names():
    assert style.class_name("n02504458") == "African elephant"
    assert style.class_name("a_very_long_name_of_a_class") == "a very long nam…"


DRIVER = """
import contextlib, io, json, sys
from absl import flags
from alexnet_tf.cli import common, draw

for arguments in json.loads(sys.argv[1]):
    flags.FLAGS.unparse_flags()
    # What an environment without the extra looks like.
    lacking = arguments[0] == "without matplotlib"
    loaded = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "matplotlib"}
    if lacking:
        sys.modules.update(dict.fromkeys(["matplotlib", "matplotlib.backend_bases", *loaded]))
        arguments = arguments[1:]
    sys.argv, screen, code = ["draw", *arguments], io.StringIO(), 0
    with contextlib.redirect_stderr(screen):
        try:
            common.run(draw.main)
        except SystemExit as end:
            code = end.code or 0
    if lacking:
        del sys.modules["matplotlib"], sys.modules["matplotlib.backend_bases"]
        sys.modules.update(loaded)
    print(json.dumps([code, screen.getvalue()]))
"""


def _draw(folder, *commands):
    """Runs commands in one new process; returns the exit code and stderr of each."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(commands)], capture_output=True, text=True, timeout=300, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.slow
def test_the_command(tmp_path):
    images = dark_and_light(tmp_path / "set")
    recipe = get_recipe(
        "demo", dataset=f"folder:{images}", width=0.0625, image_size=67, steps=2, batch_size=4, statistics_examples=8
    )
    train_and_evaluate(recipe, tmp_path / "run", UNWATCHED)
    keras.backend.clear_session()
    (tmp_path / "begun").mkdir()
    for name in ("recipe.json", "classes.json"):
        (tmp_path / "begun" / name).write_bytes((tmp_path / "run" / name).read_bytes())
    (tmp_path / "text.jpg").write_text("text")
    image, run = str(images / "val" / "dark" / "0.png"), "--workdir=run"
    good = [
        ["filters", run, "--out=filters.png", "--best"],
        ["predictions", run, "--out=predictions.jpg", "--count=3", "--seed=2"],
        ["neighbors", run, "--out=neighbors.pdf", "--count=2", "--layer=pool5", "--examples=20"],
        ["architecture", run, "--out=architecture.svg"],
        ["curves", "--workdir=run,run/", "--out=curves.PNG", "--by=step"],
        ["occlusion", image, run, "--out=occlusion.png", "--label=light"],
    ]
    bad = [
        (["without matplotlib", "filters", run, "--out=x.png"], "pip install 'alexnet-tf[plots]'"),
        (["filter", run, "--out=x.png"], "FIGURE must be one of filters, predictions, neighbors, architecture, cur"),
        (["--out=x.png"], "FIGURE must be one of"),
        (["filters", "--workdir=begun", "--out=x.png"], "workdir has no checkpoint yet"),
        (["filters", "--workdir=gone", "--out=x.png"], "workdir must hold a run"),
        (["filters", "--out=x.png"], "workdir must name one run"),
        (["filters", "--workdir=run,run", "--out=x.png"], "workdir must name one run"),
        (["curves", "--workdir=begun", "--out=x.png"], "workdir must hold a run with metrics.jsonl"),
        (["architecture", run, "--preset=paper", "--out=x.png"], "one run, or preset be given instead"),
        (["architecture", "--preset=vgg", "--out=x.png"], "Unknown preset. Allowed: bn, caffe"),
        (["filters", run, "--out=x.doc"], "out must end in one of .avif"),
        (["filters", run, "--out=gone/x.png"], "a directory that can be written to"),
        (["filters", run, "--count=3", "--out=x.png"], "count is a flag of predictions, neighbors"),
        (["neighbors", run, "--layer=conv9", "--out=x.png"], "layer must be one of conv1, "),
        (["occlusion", run, "--out=x.png"], "IMAGE must be one image file"),
        (["filters", image, run, "--out=x.png"], "IMAGE must be left out"),
        (["occlusion", "text.jpg", run, "--out=x.png"], "IMAGE must be a JPEG"),
        (["occlusion", "gone.jpg", run, "--out=x.png"], "IMAGE must be a file that can be read"),
        (["occlusion", image, run, "--label=gray", "--out=x.png"], "label must be one of dark, light"),
    ]
    found = _draw(tmp_path, *(arguments for arguments, _ in bad), *good)
    for (code, screen), (arguments, message) in zip(found, bad, strict=False):
        assert code == 1 and len(screen.splitlines()) == 1 and message in screen, (arguments, screen)
    for (code, screen), arguments in zip(found[len(bad) :], good, strict=True):
        assert code == 0, (arguments, screen)
    starts = {
        "filters.png": b"\x89PNG",
        "predictions.jpg": b"\xff\xd8",
        "neighbors.pdf": b"%PDF",
        "architecture.svg": b"<?xml",
        "curves.PNG": b"\x89PNG",
        "occlusion.png": b"\x89PNG",
    }
    for name, start in starts.items():
        assert (tmp_path / name).read_bytes().startswith(start), name
    assert not list(tmp_path.glob("x.*")) and not list(tmp_path.glob("*.new"))
