"""Each figure from arrays whose picture is known, and the command."""

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from commands import python
from helpers import UNWATCHED, dark_and_light
from matplotlib.axis import Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.pipeline import read_split
from alexnet_tf.inference.predictor import InputPreprocessing, Predictor
from alexnet_tf.models import cost
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import PRESETS
from alexnet_tf.plotting import (
    answers,
    architecture,
    curves,
    error_bars,
    filters,
    kernels,
    names,
    neighbor_search,
    neighbors,
    occlusion,
    palette,
    predictions,
    sheets,
)  # fmt: skip
from alexnet_tf.plotting.answers import Prediction
from alexnet_tf.plotting.stages import stages
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.training.loop import train_and_evaluate


class Fake(Predictor):
    """A predictor with given probabilities, which are also the features of its only layer."""

    layer_names = ("fc7",)

    def __init__(self, probabilities):
        mean = np.array([100, 110, 120], np.float32)
        super().__init__("fake", ("dark", "light"), InputPreprocessing(76, 67, mean))
        self._probabilities = probabilities

    def probabilities(self, images):
        return self._probabilities(tf.cast(images, tf.float32))

    def layers(self, images, names):
        return {name: self.probabilities(images) for name in names}


@pytest.fixture(scope="module")
def dataset(dataset_name):
    return open_dataset(dataset_name)


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
    figure = filters.draw(np.broadcast_to(values, (5, 5, 3, 24)), towers)
    axes = figure.axes
    assert [a.get_ylabel() for a in axes] == (["tower 1", "tower 2"] if towers == 2 else [""])
    shown = [a.images[0].get_array()[3::6, 3::6, 0] for a in axes]
    assert all(sheet.shape == (rows, columns) for sheet in shown)
    np.testing.assert_array_equal(np.concatenate(shown).ravel(), np.round(255 * (values + 1) / 2))
    _assert_no_text_overlaps(figure)


def test_kernels_share_one_scale_and_towers_are_apart():
    values = np.zeros((11, 11, 3, 4), np.float32)
    values[..., 0], values[..., 3] = 0.5, -1
    image = kernels.image(values, towers=2)
    # Two blocks of two kernels beside each other, gaps of 1, all enlarged four times.
    height, width = 4 * 13, 4 * 25
    assert image.shape == (2 * height + 32, width, 3)
    assert [image[y, x, 0] for y in (26, height + 32 + 26) for x in (26, 74)] == [191, 128, 128, 0]
    assert (image[height : height + 32] == sheets.WHITE).all()


def test_a_few_extreme_parameters_do_not_set_the_scale():
    values = np.full((10, 10, 3, 10), 0.5, np.float32)
    values[0, 0, 0, 0] = 100
    assert kernels.color_limit(values) == 0.5
    assert kernels.blocks(np.zeros([5, 5, 3, 4]))[0][3, 3, 0] == 128


def test_filters_need_three_channels_and_equal_towers():
    with pytest.raises(ValueError, match="kernels must have shape"):
        filters.draw(np.zeros([5, 5, 4, 8]))
    with pytest.raises(ValueError, match="kernels must have shape"):
        filters.draw(np.zeros([5, 5, 3, 9]), towers=2)


def test_sheets():
    images = [np.full((2, 3, 3), value, np.uint8) for value in (1, 2, 3)]
    sheet = sheets.sheet(images, columns=2, gap=1)
    assert sheet.shape == (7, 9, 3)
    W = sheets.WHITE
    assert sheet[:, :, 0].tolist() == [
        [W] * 9, *[[W, 1, 1, 1, W, 2, 2, 2, W]] * 2, [W] * 9, *[[W, 3, 3, 3, W, W, W, W, W]] * 2, [W] * 9
    ]  # fmt: skip
    assert sheets.sheet(images[:1], columns=4, gap=0).shape == (2, 3, 3)
    assert [sheets.enlarged(images[0], min_width=width).shape[1] for width in (2, 3, 4)] == [3, 3, 6]


def test_architecture_of_the_paper():
    model = AlexNet("paper")
    by_name = {stage.name: stage for stage in stages(model)}
    assert list(by_name) == ["image", "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    # Figure 2 of the paper and its caption.
    sizes = ["227×227×3", "55×55×48", "27×27×128", *["13×13×192"] * 2, "13×13×128", "2048", "2048", "1000"]
    assert [stage.size for stage in by_name.values()] == sizes
    assert [name for name, stage in by_name.items() if stage.crosses] == ["conv3", "fc6", "fc7", "fc8"]
    assert by_name["conv2"].kernel == (5, 5, 48) and by_name["conv3"].kernel == (3, 3, 256)
    assert by_name["conv1"].notes == ["LRN", "max pool 3/2", "→ 27×27"]
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
    assert len(stages(model)) == 1 + sum(hasattr(layer, "kernel") for layer in model.layers)
    _assert_no_text_overlaps(figure)
    names = {label.get_text() for legend in figure.legends for label in legend.get_texts()}
    assert names == ({"tower 1", "tower 2", "towers cross"} if cost.towers(model) == 2 else set())


def test_architecture_without_a_top():
    model = AlexNet(PRESETS["paper"].widened(1 / 16), include_top=False, input_shape=(67, 67, 3))
    assert stages(model)[-1].name == "conv5"
    architecture.draw(model)


def _always_dark(pixels):
    return tf.tile([[0.8, 0.2]], [tf.shape(pixels)[0], 1])


def test_predictions_are_half_correct_and_half_wrong(dataset):
    chosen = predictions.choose(Fake(_always_dark), dataset.validation, 4, seed=1)
    assert [prediction.correct for prediction in chosen] == [True, True, False, False]
    again = predictions.choose(Fake(_always_dark), dataset.validation, 4, seed=1)
    images = [prediction.image for prediction in chosen]
    np.testing.assert_array_equal(images, [prediction.image for prediction in again])
    another = predictions.choose(Fake(_always_dark), dataset.validation, 4, seed=2)
    assert not np.array_equal(images, [prediction.image for prediction in another])
    # An image shows whether it is dark, so each label must be that of its image.
    assert [int(image.mean() > 127) for image in images] == [prediction.label for prediction in chosen]


def test_the_figure_of_predictions_has_every_pixel_of_the_drawings(dataset):
    chosen = predictions.choose(Fake(_always_dark), dataset.validation, 6, seed=1)
    figure = predictions.draw(chosen, ("dark", "light"))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = [answers.draw(prediction, ("dark", "light")) for prediction in chosen]
    expected = sheets.sheet(drawn, 4, 12)
    np.testing.assert_array_equal(np.asarray(canvas.buffer_rgba())[-len(expected) :, :, :3], expected)
    assert figure.get_suptitle() == "3 correct and 3 wrong predictions"
    _assert_no_text_overlaps(figure)


def test_predictions_where_none_is_wrong(dataset):
    def brightness(pixels):
        light = tf.cast(tf.reduce_mean(pixels, [1, 2, 3]) > 127, tf.float32)
        return tf.stack([1 - light, light], 1)

    chosen = predictions.choose(Fake(brightness), dataset.validation, 20)
    assert len(chosen) == 14 and all(prediction.correct for prediction in chosen)


def _colored(row, color):
    """The number of pixels of a row that have a color like `#E69F00`."""
    return int((row == np.round(255 * np.array(to_rgb(color)))).all(axis=-1).sum())


@pytest.mark.parametrize("label", [0, 1])
def test_an_answer_has_bars_and_marks_the_true_label(label):
    image = np.zeros((67, 67, 3), np.uint8)
    drawn = answers.draw(Prediction(image, label, np.array([0.75, 0.25])), ["dog", "cat"])
    # Enlarged three times, to at least 200 pixels; three lines of text.
    assert drawn.shape == (201 + 3 * 20, 201, 3) and not drawn[:201].any()
    # Rows just below the tops of the bars, where there is no text yet.
    bars = drawn[222], drawn[242]
    colors = [palette.ORANGE if place == label else palette.SKY for place in (0, 1)]
    assert [_colored(bar, color) for bar, color in zip(bars, colors, strict=True)] == [151, 50]
    # Black letters on each line: the true label, two names on the left and two percentages on the right.
    ink = (drawn < 40).all(axis=-1)
    for top in (201, 221, 241):
        assert ink[top : top + 20, :60].sum() > 30
    assert all(ink[top : top + 20, 160:].sum() > 30 for top in (221, 241)) and not ink[201:221, 160:].any()
    # The true label's line has a check mark before its name.
    unmarked = answers.draw(Prediction(image, 1 - label, np.array([0.75, 0.25])), ["dog", "cat"])
    top = 221 + 20 * label
    other = (unmarked < 40).all(axis=-1)
    assert ink[top : top + 20, :100].sum() > other[top : top + 20, :100].sum() + 10


def test_answers_show_five_labels_at_most_and_cut_long_names():
    image = np.full((300, 250, 3), 7, np.uint8)
    drawn = answers.draw(Prediction(image, 0, np.full(10, 0.1)), ["a very long name " * 5] * 10)
    assert drawn.shape == (300 + 6 * 20, 250, 3)
    ink = (drawn < 40).all(axis=-1)[320:340]
    # The name ends before the percentage, which ends before the edge.
    free = [x for x in range(100, 250) if not ink[:, x].any()]
    assert any(all(x + i in free for i in range(5)) for x in range(190, 230)) and not ink[:, 246:].any()


def test_names_that_the_font_can_draw():
    class_names = ["n02504458", "café_noir", "кот", "猫", "".join(map(chr, range(32, 127)))]
    printed = [answers.printable(class_names, label) for label in range(5)]
    assert printed == ["African elephant", "cafe noir", "class 2", "class 3", class_names[4].replace("_", " ")]


def test_neighbors_are_the_nearest_of_all(dataset):
    fake = Fake(lambda pixels: tf.reduce_mean(pixels, [1, 2]))
    queries, labels = neighbor_search.choose(fake, dataset.validation, 3)
    assert set(labels) == {0, 1} and len(queries) == 3
    counts = []
    nearest = neighbor_search.search(fake, dataset.train, queries, "fc7", count=4, progress=counts.append)
    assert counts[-1] == dataset.train.count == 42
    batches = read_split(dataset.train, 2, 21, fake.preprocessing)
    every = np.concatenate([examples.images for examples in batches]).astype(np.float64)
    for query, found in zip(queries.astype(np.float64), nearest, strict=True):
        distances = np.linalg.norm(every.mean((1, 2)) - query.mean((0, 1)), axis=1)
        np.testing.assert_allclose([row.distance for row in found], np.sort(distances)[:4], rtol=1e-3)
        np.testing.assert_array_equal(found[0].image, every[distances.argmin()])
    figure = neighbors.draw(queries, labels, nearest, ("dark", "light"), "title")
    other = 1 - labels[0]
    odd = [[neighbor_search.Neighbor(1.0, other, queries[0])]]
    caption = neighbors.draw(queries[:1], labels[:1], odd, ("dark", "light")).axes[2].xaxis.label
    assert caption.get_text().startswith("✗ ") and caption.get_color() == palette.VERMILLION
    _assert_no_text_overlaps(figure)


@pytest.mark.slow
def test_a_dataset_without_a_readable_image(tmp_path):
    for name in ("dark", "light"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "train" / name / f"{number}.jpg").write_text("This is no image.")
    split = open_dataset(f"folder:{tmp_path}").train
    fake = Fake(lambda pixels: tf.reduce_mean(pixels, [1, 2]))
    for figure in (neighbor_search, predictions):
        with pytest.raises(ValueError, match="must have a readable image to draw"):
            figure.choose(fake, split)
    with pytest.raises(ValueError, match="must have a readable image to search"):
        neighbor_search.search(fake, split, np.zeros([1, 67, 67, 3], np.uint8))


def test_occlusion_finds_the_pixel_that_counts():
    # The class depends on the red of one pixel, at a quarter of the width and three quarters of the height.
    y, x = 51, 17

    def red(pixels):
        return tf.stack([1 - pixels[:, y, x, 0] / 255, pixels[:, y, x, 0] / 255], 1)

    pixels = np.full([67, 67, 3], 255, np.uint8)
    hidden = occlusion.scan(Fake(red), pixels, 1)
    np.testing.assert_allclose(np.unique(hidden), [100 / 255, 1], rtol=1e-6)
    rows, columns = np.nonzero(hidden < 1)
    cell = 67 / occlusion.POSITIONS
    assert (rows.mean() + 0.5) * cell == pytest.approx(y + 0.5, abs=cell)
    assert (columns.mean() + 0.5) * cell == pytest.approx(x + 0.5, abs=cell)
    # As wide as the square, in cells.
    assert np.ptp(rows) + 1 == pytest.approx(occlusion.SQUARE * occlusion.POSITIONS, abs=1)
    for true_label, title in ((None, "predicted light (90%)"), (0, "predicted light (90%)\nlabel dark")):
        figure = occlusion.draw(pixels, hidden, 1, np.array([0.1, 0.9]), ("dark", "light"), true_label)
        assert figure.axes[0].get_title() == title and "probability of light" in figure.axes[1].get_title()
        _assert_no_text_overlaps(figure)
    long = "a_very_long_name_of_a_class"
    _assert_no_text_overlaps(occlusion.draw(pixels, hidden, 1, np.array([0.1, 0.9]), (long, long), 0))


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
    with pytest.raises(ValueError, match="must hold a run with logged steps"):
        curves.draw({"a": ([], [])})


def test_long_curves_are_thinned_to_means():
    values = np.arange(1.0, 601.0)
    line = curves.draw({"a": (_rows(*values), [])}).axes[0].lines[0].get_ydata()
    assert len(line) == 60 and line[0] == values[:10].mean() and line[-1] == values[-10:].mean()


def test_a_race():
    rows = {name: _rows(9.0, 4.0, 2.0) for name in ("ReLU, learning rate 0.01", "tanh, learning rate 0.003")}
    figure = curves.draw_race(rows, 0.4, dict(zip(rows, (1.0, None), strict=True)))
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[0.5, 0.9], [1, 0.4], [1.5, 0.2]])
    (reached,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert reached.get_xydata().tolist() == [[1.0, 0.4]] and axes.texts[0].get_text() == "1.0 epochs"
    styles = {line.get_linestyle() for line in axes.lines[:4] if len(line.get_xdata())}
    assert len(styles) == 2
    _assert_no_text_overlaps(figure)


def test_error_bars():
    rows = [{"variant": f"seed-{n}", "top1_error": 0.2 + n / 100, "images": 1600} for n in range(9)]
    figure = error_bars.draw(rows)
    (axes,) = figure.axes
    bar = axes.containers[0].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(bar[:, 1], [0.19, 0.21])  # sqrt(.2 * .8 / 1600) = .01
    assert axes.texts[8].get_text() == "28.0%"
    _assert_no_text_overlaps(figure)


def test_runs_are_named_by_what_tells_them_apart():
    assert curves.run_names(["runs/a", "/x/b/"]) == ["a", "b"]
    assert curves.run_names(["one/run", "two/run"]) == ["one/run", "two/run"]


def test_class_names():
    assert names.short("n02504458") == "African elephant"
    assert names.short("a_very_long_name_of_a_class") == "a very long nam…"


DRIVER = """
import contextlib, io, json, sys
from absl import flags
from alexnet_tf.cli import common, draw

for arguments in json.loads(sys.argv[1]):
    flags.FLAGS.unparse_flags()
    # What an environment without the extra looks like.
    lacking = arguments[:1] == ["without matplotlib"]
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
    done = python(DRIVER, json.dumps(commands), cwd=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.slow
def test_the_command(dataset_name, tmp_path):
    images = dark_and_light(tmp_path / "set")
    recipe = get_recipe(
        "demo", dataset=dataset_name, width=0.0625, image_size=67, steps=2, batch_size=4, statistics_examples=8
    )
    train_and_evaluate(recipe, tmp_path / "run", UNWATCHED)
    keras.backend.clear_session()
    (tmp_path / "begun").mkdir()
    for name in ("recipe.json", "classes.json"):
        (tmp_path / "begun" / name).write_bytes((tmp_path / "run" / name).read_bytes())
    (tmp_path / "text.jpg").write_text("text")
    image, run = str(images / "val" / "dark" / "0.png"), "--model=run"
    good = [
        ["filters", run, "--out=filters.png", "--best"],
        ["predictions", run, "--out=predictions.jpg", "--count=3", "--seed=2"],
        ["neighbors", run, "--out=neighbors.pdf", "--count=2", "--layer=pool5", "--examples=20"],
        ["architecture", run, "--out=architecture.svg"],
        ["filters", "--model=cifar10", "--out=cifar10.png"],
        ["curves", "--workdir=run,run/", "--out=curves.PNG", "--by=step"],
        ["occlusion", image, run, "--out=occlusion.png", "--label=light", "--true_label=dark"],
    ]
    bad = [
        (["without matplotlib", "filters", run, "--out=x.png"], "pip install 'alexnet-tf[plots]'"),
        ([], "FIGURE must be one of filters, predictions, neighbors, architecture, curves, occlusion, got none; see"),
        (["filter", run, "--out=x.png"], "FIGURE must be one of filters, predictions, neighbors, architecture, cur"),
        (["--out=x.png"], "FIGURE must be one of"),
        (["filters", run], "out must be given, e.g. --out=filters.png"),
        (["filters", "--model=begun", "--out=x.png"], "workdir must have a checkpoint"),
        (["filters", "--model=gone", "--out=x.png"], "model must be the workdir of a run, an export"),
        (["filters", "--out=x.png"], "model must name a network, e.g. --model=cifar10, got none"),
        (["filters", "--workdir=run", "--out=x.png"], "workdir must be given with curves only"),
        (["predictions", "--model=cifar10", "--out=x.png"], "dataset must be given to draw images without a run"),
        (["neighbors", "--model=cifar10", "--dataset=builtin:shapes", "--out=x.png"], "must have the 10 classes of"),
        (["curves", "--out=x.png"], "workdir must name at least one run"),
        (["curves", "--workdir=begun", "--out=x.png"], "workdir must hold a run with metrics.jsonl"),
        (["architecture", run, "--preset=paper", "--out=x.png"], "preset must be given with weights only"),
        (["architecture", "--preset=vgg", "--out=x.png"], "bn, caffe"),
        (["filters", run, "--out=x.doc"], "out must end in one of .avif"),
        (["filters", run, "--out=gone/x.png"], "a directory that can be written to"),
        (["filters", run, "--count=3", "--out=x.png"], "count must be given with predictions or neighbors only"),
        (["curves", "--workdir=run", "--best", "--out=x.png"], "best must be given with filters or predictions or"),
        (["neighbors", run, "--layer=conv9", "--out=x.png"], "layer must be one of conv1, "),
        (["occlusion", run, "--out=x.png"], "IMAGE must be one image file"),
        (["filters", image, run, "--out=x.png"], "IMAGE must be left out"),
        (["occlusion", "text.jpg", run, "--out=x.png"], "IMAGE must be a JPEG"),
        (["occlusion", "gone.jpg", run, "--out=x.png"], "IMAGE must be a readable file"),
        (["occlusion", image, run, "--label=gray", "--out=x.png"], "label must be one of dark, light"),
        (["occlusion", image, run, "--true_label=gray", "--out=x.png"], "true_label must be one of dark, light"),
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
        "cifar10.png": b"\x89PNG",
    }
    for name, start in starts.items():
        assert (tmp_path / name).read_bytes().startswith(start), name
    assert not list(tmp_path.glob("x.*")) and not list(tmp_path.glob("*.new"))
