"""Training that begins with another network's weights."""

import dataclasses
import json
import shutil

import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.data import datasets
from alexnet_tf.evaluation.confusion import ClassificationReport
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.runs.recipe import read_recipe
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import build_model, load_run
from alexnet_tf.training.diagnosis import class_balance
from alexnet_tf.training.fine_tuning import freeze
from alexnet_tf.training.interruption import Interrupted, Stop
from alexnet_tf.training.loop import Options, train_and_evaluate
from alexnet_tf.training.optimizer import build_optimizer
from alexnet_tf.training.schedules import variable_rates
from alexnet_tf.training.step import TrainStep

NARROW = {"width": 1 / 16, "image_size": 67}
SMALL = {"batch_size": 8, "steps": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return f"folder:{helpers.dark_and_light(tmp_path_factory.mktemp('set'))}"


@pytest.fixture(scope="module")
def source(dataset_name, tmp_path_factory):
    """A run of two classes, so that its head would fit, too; batch normalization has most that can go wrong."""
    workdir = tmp_path_factory.mktemp("source") / "run"
    recipe = get_recipe("demo", dataset=dataset_name, preset="bn", statistics_examples=16, **NARROW, **SMALL)
    train_and_evaluate(recipe, workdir, helpers.UNWATCHED)
    return workdir


def _layers(workdir):
    return {layer.name: layer.get_weights() for layer in load_run(workdir).model.layers if layer.weights}


def _same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_frozen_layers_are_bit_unchanged_and_the_others_learn(source, folder, tmp_path, capsys):
    recipe = get_recipe("finetune", dataset=folder, weights=str(source), freeze_through="conv5", **SMALL)
    assert (recipe.preset, recipe.width, recipe.image_size) == ("bn", 1 / 16, 67)
    train_and_evaluate(recipe, tmp_path / "run", Options("none"))
    before, after = _layers(source), _layers(tmp_path / "run")
    kept = {name for name in after if _same(before[name], after[name])}
    # With the moving statistics of batch normalization.
    assert kept == {f"{kind}{number}" for kind in ("conv", "bn") for number in range(1, 6)}
    assert after["fc8"][0].shape == (256, 2)
    run = load_run(tmp_path / "run")
    np.testing.assert_array_equal(run.mean, load_run(source).mean)
    learning = sum(array.size for name in ("fc6", "fc7", "fc8") for array in after[name])
    said = capsys.readouterr().err
    assert "Frozen: conv1–conv5. Trainable: fc6–fc7 (lr 0.0001), fc8 (new, lr 0.001), " in said
    assert f"{learning:,} of {run.model.count_params():,} parameters. Mean: that of the weights." in said
    assert not (tmp_path / "run" / "reinitialized.json").exists()
    assert "images per class: dark 21, light 21" in said and "label \\ predicted" in said
    rows = [line.split("\t") for line in (tmp_path / "run" / "confusion.tsv").read_text().splitlines()]
    assert rows[0] == ["label \\ predicted", "dark", "light"]
    assert [sum(map(int, row[1:])) for row in rows[1:]] == [7, 7]
    wrong = int(rows[1][2]) + int(rows[2][1])
    mistakes = (tmp_path / "run" / "mistakes.tsv").read_text().splitlines()[1:]
    assert len(mistakes) == wrong and all(line.startswith(f"{folder[7:]}/val/") for line in mistakes)
    assert json.loads((tmp_path / "run" / "result.json").read_text())["top1_error"] == pytest.approx(wrong / 14)


def test_nothing_is_computed_below_a_frozen_layer(tmp_path):
    """Gradients of kernels that the step's graph holds, before anything prunes it."""

    def kernels(freeze_through):
        recipe = get_recipe("finetune", weights="imagenet", freeze_through=freeze_through, **NARROW)
        model = build_model(recipe, 2)
        freeze(model, freeze_through)
        optimizer = build_optimizer(recipe)
        optimizer.build(model.trainable_variables)
        axes = np.ones(3, np.float32), np.eye(3, dtype=np.float32)
        step = TrainStep(tf.distribute.get_strategy(), model, optimizer, recipe, np.zeros(3), axes, tf.Variable(0.0))
        inputs = tf.zeros([2, 67, 67, 3]), tf.zeros([2], tf.int64), tf.ones([2]), tf.ones([])
        graph = tf.function(step._gradients_of).get_concrete_function(*inputs).graph
        return sum(operation.type == "Conv2DBackpropFilter" for operation in graph.get_operations())

    # Two towers in conv2, conv4 and conv5.
    assert (kernels("none"), kernels("conv4"), kernels("conv5")) == (8, 2, 0)


def test_a_resumed_run_needs_its_source_no_more(source, dataset_name, tmp_path, monkeypatch):
    moved = tmp_path / "source"
    shutil.copytree(source, moved)
    fields = {"dataset": dataset_name, "weights": str(moved), "freeze_through": "fc6", **SMALL}
    train_and_evaluate(get_recipe("finetune", **fields), tmp_path / "unbroken", helpers.UNWATCHED)

    def stopped(stop):
        stop.requested, stop.signal = tf.Variable(1.0), 2

    with monkeypatch.context() as patch:
        patch.setattr(Stop, "__init__", stopped)
        with pytest.raises(Interrupted, match="after step 1 of 3"):
            train_and_evaluate(get_recipe("finetune", **fields), tmp_path / "run", helpers.UNWATCHED)
    shutil.rmtree(moved)
    train_and_evaluate(get_recipe("finetune", tmp_path / "run", **fields), tmp_path / "run", helpers.UNWATCHED)
    assert read_recipe(tmp_path / "run").weights == str(moved)
    resumed, unbroken = _layers(tmp_path / "run"), _layers(tmp_path / "unbroken")
    assert all(_same(resumed[name], unbroken[name]) for name in unbroken)


def test_weights_of_a_file(dataset_name, folder, tmp_path, capsys):
    preset = get_recipe("demo", preset="caffe", **NARROW).network
    file = tmp_path / "some.weights.h5"
    model = helpers.enliven(AlexNet(preset, input_shape=(67, 67, 3), classes=2))
    model.save_weights(file)
    fields = {"dataset": dataset_name, "weights": str(file), "freeze_through": "fc7", **NARROW, **SMALL}
    with pytest.raises(ValueError, match="preset must be given for weights="):
        get_recipe("finetune", **fields)
    recipe = get_recipe("finetune", preset="caffe", **fields)
    train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED)
    before, after = {layer.name: layer.get_weights() for layer in model.layers}, _layers(tmp_path / "run")
    assert [name for name in after if not _same(before[name], after[name])] == ["fc8"]
    # Though it would have fitted.
    assert np.abs(after["fc8"][0]).max() < 0.5 * np.abs(before["fc8"][0]).max()
    np.testing.assert_array_equal(load_run(tmp_path / "run").mean, np.float32([122.679, 116.669, 104.007]))
    # A larger input than that of the prepared images: fc6 starts fresh, and must then learn.
    recipe = dataclasses.replace(recipe, dataset=folder, image_size=99)
    with pytest.raises(ValueError, match="freeze_through must lie below fc6, which does not fit"):
        train_and_evaluate(recipe, tmp_path / "larger", helpers.UNWATCHED)
    assert not (tmp_path / "larger").exists()
    recipe = dataclasses.replace(recipe, freeze_through="conv5")
    train_and_evaluate(recipe, tmp_path / "larger", helpers.UNWATCHED)
    said = capsys.readouterr().err
    assert "Frozen: conv1–conv5. Trainable: fc7 (lr 0.0001), fc6, fc8 (new, lr 0.001), " in said
    assert "Reinitialized (shape mismatch): fc6. Same learning rate as the last layer." in said
    assert "warning: fc7 keeps its weights above fc6, which starts fresh: " in said


def test_every_reinitialized_layer_learns_at_the_last_layers_rate(dataset_name, tmp_path, capsys, monkeypatch):
    preset = get_recipe("demo", preset="caffe", **NARROW).network
    model = helpers.enliven(AlexNet(preset, input_shape=(67, 67, 3), classes=2))
    arrays = helpers.channels_first(model)
    arrays = {name: pair for name, pair in arrays.items() if name.startswith("conv") or name == "fc7"}
    (tmp_path / "some.caffemodel").write_bytes(helpers.caffemodel(arrays, v1=False))
    rates = []

    def recorded(*arguments):
        rates.append(dict(zip(arguments[1], variable_rates(*arguments), strict=True)))
        return list(rates[-1].values())

    def stopped(stop):
        stop.requested, stop.signal = tf.Variable(1.0), 2

    monkeypatch.setattr("alexnet_tf.training.state.variable_rates", recorded)
    recipe = get_recipe(
        "finetune", dataset=dataset_name, preset="caffe", weights=str(tmp_path / "some.caffemodel"), **NARROW, **SMALL
    )
    with monkeypatch.context() as patch:
        patch.setattr(Stop, "__init__", stopped)
        with pytest.raises(Interrupted, match="after step 1 of 3"):
            train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED)
    assert json.loads((tmp_path / "run" / "reinitialized.json").read_text())["layers"] == {"fc6": "not in the file"}
    # Resumed without the weights.
    (tmp_path / "some.caffemodel").unlink()
    train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED)
    assert len(rates) == 3
    for of_step in rates:
        slow, fast = of_step["fc7/kernel"], of_step["fc8/kernel"]
        assert fast == pytest.approx(10 * slow) and of_step["conv1/kernel"] == of_step["conv5/bias"] == slow
        assert of_step["fc6/kernel"] == of_step["fc6/bias"] == fast
    said = capsys.readouterr().err
    assert said.count("Reinitialized (not in the file): fc6. Same learning rate as the last layer.") == 2
    (tmp_path / "run" / "reinitialized.json").write_text('{"format_version": 1, "layers": [1]}')
    with pytest.raises(ValueError, match="reinitialized.json' must have layers with reasons"):
        train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED)


def test_published_files_name_their_network(tmp_path):
    for name, preset in (
        ("bvlc_reference_caffenet.caffemodel", "caffenet"),
        ("alexnet-owt-7be5be79.pth", "torchvision"),
    ):
        (tmp_path / name).touch()
        assert get_recipe("finetune", weights=str(tmp_path / name)).preset == preset


def test_dropout_scales_as_it_did_when_the_weights_were_learned(tmp_path):
    def source(**fields):
        get_recipe("paper", **fields).save(tmp_path / "recipe.json")
        return str(tmp_path)

    def dropouts(recipe):
        return [(layer.rate, layer.factor) for layer in recipe.network.layers if hasattr(layer, "rate")]

    assert dropouts(get_recipe("finetune", weights=source())) == [(0.5, 0.5)] * 2
    assert dropouts(get_recipe("finetune", weights=source(dropout=0.0))) == [(0.5, 1.0)] * 2
    assert dropouts(get_recipe("finetune", weights=source(dropout=0.0), dropout=0.2)) == [(0.2, 1.0)] * 2
    with pytest.raises(ValueError, match="dropout must be left to preset 'paper'"):
        get_recipe("finetune", weights=source(), dropout=0.2)


@pytest.mark.parametrize(
    "preset, fields",
    [
        ("paper", {"activation": "tanh", "pool_size": 2, "normalization": False, "towers": False}),
        ("four_layers", {"activation": "tanh", "image_size": 40}),
    ],
)
def test_a_variants_weights_come_with_its_network(folder, tmp_path, preset, fields):
    fields = {**NARROW, "preset": preset, **fields}
    (tmp_path / "source").mkdir()
    run = get_recipe("paper", dataset=folder, **fields)
    run.save(tmp_path / "source" / "recipe.json")
    recipe = get_recipe("finetune", dataset=folder, weights=str(tmp_path / "source"))
    assert recipe.network == run.network and recipe.resize_crop == run.resize_crop
    # Once it has begun, without the source too.
    (tmp_path / "run").mkdir()
    recipe.save(tmp_path / "run" / "recipe.json")
    (tmp_path / "source" / "recipe.json").unlink()
    again = get_recipe("finetune", tmp_path / "run", dataset=folder, weights=str(tmp_path / "source"))
    assert again == recipe


def test_the_sources_own_size_may_be_given(tmp_path):
    get_recipe("paper").save(tmp_path / "recipe.json")
    recipe = get_recipe("finetune", weights=str(tmp_path), image_size=227)
    assert recipe.resize_crop.crop == 227
    with pytest.raises(ValueError, match="image_size must be 227, as in the run of weights=.*, got 67"):
        get_recipe("finetune", weights=str(tmp_path), image_size=67)
    with pytest.raises(ValueError, match="activation must be the preset's, as in the run of .*, got tanh"):
        get_recipe("finetune", weights=str(tmp_path), activation="tanh")


def test_mistakes(source, folder, tmp_path):
    def refused(message, name="finetune", **fields):
        with pytest.raises(ValueError, match=message):
            get_recipe(name, **fields)

    refused("preset must be bn, as in the run of weights='.*', got paper",
            weights=str(source), preset="paper")  # fmt: skip
    refused("freeze_through must be one of none, conv1, .*, fc7, got 'fc8'", freeze_through="fc8")
    refused("freeze_through must be 'none' without weights", "demo", freeze_through="conv1")
    refused("head_lr_multiplier must be 1 with optimizer='adam'", optimizer="adam")
    refused("weights must be 'imagenet', 'cifar10', a .caffemodel, .* or the workdir", weights=str(tmp_path / "gone"))
    recipe = get_recipe("finetune", preset="caffe", weights=str(tmp_path / "gone.pth"), dataset=folder, **SMALL)
    with pytest.raises(ValueError, match="weights must be a readable file"):
        train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED)
    # So that the same workdir takes the right name.
    assert not (tmp_path / "run").exists()


def test_a_class_of_one_image_is_refused(tmp_path):
    for name, count in (("cats", 3), ("dogs", 1)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.jpg").write_bytes(helpers.noise_jpeg(number))
    with pytest.raises(ValueError, match="class 'dogs' must have at least 2 images, got 1"):
        datasets.open_dataset(f"folder:{tmp_path}")


def test_the_heads_rate():
    recipe = get_recipe("finetune", bias_lr_multiplier=2.0)
    rates = variable_rates(recipe, ["fc7/kernel", "fc7/bias", "fc8/kernel", "fc8/bias"], 0.5, 0)
    assert rates == pytest.approx([0.00005, 0.0001, 0.0005, 0.001])
    rates = variable_rates(recipe, ["conv5/kernel", "fc6/kernel", "bn6/gamma", "fc8/kernel"], 0.5, 0, ("fc6", "bn6"))
    assert rates == pytest.approx([0.00005, 0.0005, 0.0005, 0.0005])


def test_imbalanced_classes_are_warned_of():
    assert class_balance(np.repeat([0, 1], [50, 5]), ("cat", "dog")) == ["images per class: cat 50, dog 5"]
    balance, warning = class_balance(np.repeat([0, 1], [51, 5]), ("cat", "dog"))
    assert balance == "images per class: cat 51, dog 5"
    assert warning.startswith("warning: imbalanced classes: min 5 (dog), max 51 (cat).")
    labels, names = np.repeat(np.arange(30), [2] * 29 + [3]), tuple(map(str, range(30)))
    assert class_balance(labels, names) == ["images per class: min 2 (0), max 3 (29)"]


def test_confusion_worked_by_hand(tmp_path):
    labels, given = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 2, 0])
    shares = np.array([0.9, 0.6, 0.8, 0.5, 0.7, 0.99], np.float32)
    report = ClassificationReport([f"{i}.jpg" for i in range(6)], labels, given, shares, ("ape", "bee", "cow"))
    np.testing.assert_array_equal(report.confusion, [[1, 1, 0], [0, 1, 0], [2, 0, 1]])
    assert [name for name, *_ in report.mistakes] == ["5.jpg", "1.jpg", "3.jpg"]
    assert report.text().splitlines() == [
        "label \\ predicted  ape  bee  cow    error",
        "ape                  1    1    0   50.0 %",
        "bee                  0    1    0    0.0 %",
        "cow                  2    0    1   66.7 %",
        "",
        "most probable of the 3 mistakes:",
        "5.jpg: predicted ape (99.0 %), label cow",
        "1.jpg: predicted bee (60.0 %), label ape",
        "3.jpg: predicted ape (50.0 %), label cow",
    ]
    report.save(tmp_path)
    assert (tmp_path / "mistakes.tsv").read_text().splitlines()[1] == "5.jpg\tcow\tape\t0.9900"
    many = dataclasses.replace(report, class_names=tuple("abcdefghijklm"))
    assert many.text().splitlines()[:2] == ["most frequent confusions of 13 classes:", "label c, predicted a: 2"]
