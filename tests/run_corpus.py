"""Damaged runs, made by seeded changes of a good one; see `corpora`."""

import contextlib
import functools
import gzip
import hashlib
import io
import json
import pathlib
import random
import shutil

import damage
import helpers
import numpy as np
import odd_files
import tensorflow as tf

from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.file_list import list_files
from alexnet_tf.evaluation.networks import evaluate_paths
from alexnet_tf.models.pretrained.load import load_weights
from alexnet_tf.plotting import curves
from alexnet_tf.runs import checkpoints, layout
from alexnet_tf.runs.metrics_log import append_metrics
from alexnet_tf.runs.opening import open_predictor
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.run import build_model, load_run
from alexnet_tf.runs.run_dataset import check_unchanged

GOLDEN = pathlib.Path(__file__).resolve().parent / "goldens" / "run"
_INDEX, _DATA = "index", "data-00000-of-00001"
_CHECKPOINTS = (
    *(f"{layout.CHECKPOINTS}/ckpt-{number}.{part}" for number in (1, 2) for part in (_INDEX, _DATA)),
    f"{layout.BEST}/ckpt-1.{_INDEX}", f"{layout.BEST}/ckpt-1.{_DATA}",
)  # fmt: skip
_FIELDS = (layout.RECIPE, layout.CLASSES, layout.FILES, layout.METRICS, layout.RESULT)
FILES = (*_FIELDS, layout.STATISTICS, layout.WEIGHTS, *_CHECKPOINTS)
KINDS = (
    *FILES, *FILES[:3], *(f"field/{name}" for name in (*_FIELDS, layout.RECIPE)), "archive/0", "archive/1",
    *(f"odd/{number}" for number in range(6)), *(f"swap/{number}" for number in range(4)),
)  # fmt: skip
# Without check sums: text that stays valid; and .h5, whose numbers stay finite.
UNPROTECTED = tuple(
    kind for kind in KINDS
    if kind.endswith((layout.RECIPE, layout.CLASSES, layout.METRICS, layout.RESULT, layout.WEIGHTS, layout.FILES))
    and kind != layout.FILES
)  # fmt: skip


def good_files(root):
    """Copies a good run to `root/good/run`, with two checkpoints, best weights and a dataset of image files."""
    good = root / "good"
    run = shutil.copytree(GOLDEN, good / "run")
    rng = np.random.default_rng(0)
    for name in ("circle", "star"):
        (good / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
            (good / "photos" / name / f"{number}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    fields = json.loads((run / layout.RECIPE).read_text())
    (run / layout.RECIPE).write_text(json.dumps({**fields, "dataset": f"folder:{good / 'photos'}"}))
    list_files(open_dataset(f"folder:{good / 'photos'}"), sizes=True).save(run / layout.FILES)
    model = load_run(run).model
    checkpoint = tf.train.Checkpoint(model=helpers.enliven(model))
    for directory in (layout.CHECKPOINTS, layout.BEST):
        checkpoints.write(checkpoint, run / directory, 1, checkpoints.KEPT)
    for step in range(3, 9):
        append_metrics(run, {"kind": "train", "step": step, "epoch": step / 3, "time": 1.0, "loss": 1 / step,
                             "top1_error": 0.5, "top5_error": 0.0})  # fmt: skip


def warm_up(root):
    """Reads the good run in every way."""
    _expected(root)


@functools.cache
def _expected(root):
    """What each way of reading gives, and what it gives from the checkpoint before the newest."""
    run, before = root / "good" / "run", root / "good" / "before"
    shutil.copytree(run, before)
    for file in before.glob(f"{layout.CHECKPOINTS}/ckpt-2.*"):
        file.unlink()
    return {way: {read(run), read(before)} for way, read in _WAYS.items()}


def _digest(*values):
    return hashlib.sha256(repr(values).encode()).hexdigest()


_PHOTO = tf.io.encode_png(np.random.default_rng(1).integers(0, 256, (40, 50, 3)).astype(np.uint8)).numpy()


def _predict(run, best=False):
    predictor = open_predictor(run, best)
    return _digest(predictor.class_names, predictor.preprocessing, predictor.predict(_PHOTO).tobytes())


def _evaluate(run):
    dataset = load_run(run).dataset
    check_unchanged(dataset, run, accept=False)
    return _digest(evaluate_paths([run]), list(dataset.train.names), list(dataset.validation.names))


def _curves(run):
    figure = curves.draw_runs([run])
    figure.savefig(io.BytesIO(), format="png")
    return _digest([line.get_xydata().tolist() for axes in figure.axes for line in axes.lines])


def _about(run):
    return _digest(load_run(run).about)


def _weights(run):
    recipe = Recipe.load(GOLDEN / layout.RECIPE)
    model = build_model(recipe, 2)
    unfit = load_weights(model, run, recipe.preset)
    return _digest(unfit, [weight.tobytes() for weight in model.get_weights()])


_WAYS = {
    "predict": _predict, "best": lambda run: _predict(run, best=True), "evaluate": _evaluate, "curves": _curves,
    "about": _about, "weights": _weights,
}  # fmt: skip
_OF_FILES = {layout.METRICS: "curves", layout.RESULT: "about", layout.WEIGHTS: "weights", layout.FILES: "evaluate"}


def make(root, number):
    """Makes the run with a number; returns its kind and a function that reads it, and says whether it is right."""
    rng, kind = random.Random(number), KINDS[number % len(KINDS)]
    case = shutil.copytree(root / "good" / "run", root / str(number))
    change, _, name = kind.partition("/")
    if change == "odd":
        name = rng.choice([name for name in FILES if name != layout.RESULT])  # Which a run may lack.
        odd_files.replace(case / name, rng)
    elif change == "swap":
        names = rng.choice([_CHECKPOINTS, (layout.STATISTICS, layout.WEIGHTS, layout.FILES), FILES])
        name = rng.choice(names)
        odd_files.swap([case / name, case / rng.choice([other for other in names if other != name])], rng)
    elif change == "archive":
        name = layout.STATISTICS
        odd_files.change_an_archive(case / name, rng)
    elif change == "field":
        _change_json(case / name, rng)
    else:
        name = kind
        (case / name).write_bytes(damage.damaged((case / name).read_bytes(), rng))
    way = _OF_FILES.get(name) or ("best" if layout.BEST in name else rng.choice(["predict", "evaluate"]))
    return kind, functools.partial(_is_right, root, case, way)


def _change_json(file, rng):
    """Changes a field of a JSON file, of one of its lines, or of what is compressed in it."""
    data = file.read_bytes()
    if file.name == layout.FILES:
        data = gzip.decompress(data)
    *lines, last = data.splitlines() if file.name == layout.METRICS else [data]
    fields = json.loads(last)
    damage.change_a_field(fields, rng)
    data = b"".join(line + b"\n" for line in (*lines, json.dumps(fields).encode()))
    file.write_bytes(gzip.compress(data) if file.name == layout.FILES else data)


def _is_right(root, case, way):
    with contextlib.redirect_stderr(io.StringIO()):
        return _WAYS[way](case) in _expected(root)[way]
