"""Works that write: each with what must be whole after a fault, and equal after it was done again."""

import dataclasses
import pathlib

import helpers
import keras
import numpy as np
import tensorflow as tf
from faults import Scenario

from alexnet_tf import storage
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.prepare import prepare
from alexnet_tf.data.prepare_options import PrepareOptions
from alexnet_tf.exporting import tflite
from alexnet_tf.exporting.export import export
from alexnet_tf.exporting.verification import verify
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.runs import layout
from alexnet_tf.runs.checkpoints import Checkpoints, restore_newest
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.training.loop import train_and_evaluate
from alexnet_tf.training.options import Options

OPTIONS = Options("none", layer_summaries_every=0, checkpoint_minutes=0, log_every=1)


def checkpoints(scratch):
    """The third best weights, which replace the second, and the third checkpoint, after which the first goes."""
    template = pathlib.Path(scratch) / "template"
    (template / layout.CHECKPOINTS).mkdir(parents=True)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    step = tf.Variable(0)

    def opened(root):
        opened = Checkpoints(root, {"model": model, "step": step})
        opened.restore()
        return opened

    def save(root, last):
        saved = opened(root)
        for value in range(int(step.numpy()) + 1, last + 1):
            step.assign(value)
            model.set_weights([np.full((3, 2), value, np.float32)])
            saved.save_best()
            saved.save()

    def readable(root, least):
        """Whatever was saved first: a checkpoint and best weights are there, and each is in one piece."""
        model.set_weights([np.zeros((3, 2))])
        opened(root)
        value = int(step.numpy())
        assert value >= least and (model.get_weights()[0] == value).all()
        assert restore_newest(tf.train.Checkpoint(model=model), root / layout.BEST)
        (kernel,) = model.get_weights()
        assert least <= kernel[0, 0] <= 3 and (kernel == kernel[0, 0]).all()

    step.assign(0)
    save(template, 2)
    return Scenario(
        scratch, template, lambda root: save(root, 3), lambda root: readable(root, 2),
        lambda root: readable(root, 3),
    )  # fmt: skip


def texts(scratch):
    """A file that replaces another."""
    template = pathlib.Path(scratch) / "template"
    template.mkdir()
    (template / "file").write_text("old")

    def work(root):
        storage.sweep(root)
        storage.write_text(root / "file", "new")

    def whole(root):
        assert (root / "file").read_text() in ("old", "new")

    return Scenario(scratch, template, work, whole, lambda root: _equal((root / "file").read_text(), "new"))


def exports(scratch, monkeypatch):
    """An export that replaces another one; the conversion, which writes nothing, is done once for all."""
    template = pathlib.Path(scratch) / "template"
    old, new = helpers.narrow_predictor("paper"), helpers.narrow_predictor("paper")
    images = np.random.default_rng(0).integers(0, 256, (2, 67, 67, 3)).astype(np.uint8)
    converted = {id(predictor): tflite.convert(predictor, "tflite") for predictor in (old, new)}
    monkeypatch.setattr(tflite, "convert", lambda predictor, *_: converted[id(predictor)])
    export(old, template / "out", ["tflite"], images=images)

    def whole(root):
        assert all(row.passed for row in verify(root / "out"))

    def finished(root):
        whole(root)
        assert (root / "out" / "model.tflite").read_bytes() == converted[id(new)]
        assert [path.name for path in root.iterdir()] == ["out"]

    return Scenario(
        scratch, template, lambda root: export(new, root / "out", ["tflite"], images=images), whole, finished
    )


def preparations(scratch):
    """A prepared dataset."""
    folder, template = pathlib.Path(scratch) / "set", pathlib.Path(scratch) / "template"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            (folder / name / f"{number}.jpg").write_bytes(helpers.noise_jpeg(number))
    dataset, options = open_dataset(f"folder:{folder}"), PrepareOptions(size=24, shard_size=2)
    template.mkdir()
    unbroken = pathlib.Path(scratch) / "unbroken"
    prepare(dataset, unbroken, options, workers=1)

    def finished(root):
        assert _files(root / "out") == _files(unbroken)

    return Scenario(
        scratch, template, lambda root: prepare(dataset, root / "out", options, workers=1), lambda root: None, finished
    )


def weights(scratch):
    """A file of weights that replaces another one, as `weights --out` and the end of a run write it."""
    template = pathlib.Path(scratch) / "template"
    template.mkdir()
    models = [AlexNet(get_preset("paper").widened(1 / 16), input_shape=(67, 67, 3), classes=2) for _ in range(2)]
    other = keras.models.clone_model(models[0])

    def write(model, root):
        storage.sweep(root)
        with storage.atomic_write(root / "x.weights.h5", size=4 * model.count_params()) as partial:
            model.save_weights(partial)

    write(models[0], template)

    def is_one_of(root, allowed):
        other.load_weights(root / "x.weights.h5")
        assert any(
            all((a == b).all() for a, b in zip(other.get_weights(), model.get_weights(), strict=True))
            for model in allowed
        )

    return Scenario(
        scratch, template, lambda root: write(models[1], root), lambda root: is_one_of(root, models),
        lambda root: is_one_of(root, models[1:]),
    )  # fmt: skip


def runs(scratch):
    """The second half of a run with two validations, to its end."""
    scratch = pathlib.Path(scratch)
    recipe = get_recipe(
        "demo", dataset=helpers.prepared_dark_and_light(scratch / "set"), width=1 / 16, image_size=67, batch_size=8,
        statistics_examples=8, dropout=0.5, learning_rate=1e-4, steps=4, evaluate_every=2,
    )  # fmt: skip
    template, unbroken = scratch / "template", scratch / "unbroken"
    train_and_evaluate(dataclasses.replace(recipe, steps=2), template / "run", OPTIONS)
    train_and_evaluate(recipe, unbroken, OPTIONS)
    expected = load_run(unbroken).model.get_weights()

    def whole(root):
        load_run(root / "run")
        load_run(root / "run", best=True)

    def finished(root):
        for best in (False, True):
            for one, other in zip(
                load_run(root / "run", best).model.get_weights(), load_run(unbroken, best).model.get_weights(),
                strict=True,
            ):  # fmt: skip
                np.testing.assert_array_equal(one, other)
        model = load_run(root / "run").model
        model.load_weights(root / "run" / layout.WEIGHTS)
        for one, other in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(one, other)
        rows = helpers.journal(root / "run", "validation"), helpers.journal(unbroken, "validation")
        assert [row["loss"] for row in rows[0].values()] == [row["loss"] for row in rows[1].values()]

    return Scenario(scratch, template, lambda root: train_and_evaluate(recipe, root / "run", OPTIONS), whole, finished)


def _equal(value, expected):
    assert value == expected


def _files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
