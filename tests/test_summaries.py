"""What TensorBoard finds in a run's event files."""

import dataclasses
import time

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from alexnet_tf.data import datasets, images, pipeline
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.plotting import answers
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.training import layer_probe, profiling
from alexnet_tf.training.hardest_examples import HardestExamples
from alexnet_tf.training.journal import Journal
from alexnet_tf.training.layer_probe import LayerProbe
from alexnet_tf.training.loop import train_and_evaluate
from alexnet_tf.training.options import Options
from alexnet_tf.training.summaries import Summaries

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
SCALARS = ("loss", "top1_error", "top5_error")
TIMES = ("learning_rate", "images_per_second", "step_seconds", "input_seconds", "compute_seconds")


def _events(directory):
    """What TensorBoard reads of one directory."""
    found = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    return found.Reload()


def _tag(name):
    return f"speed/{name}" if name in (*TIMES, "memory_mb") and name != "learning_rate" else f"metrics/{name}"


def _steps(events, tag):
    return [event.step for event in events.Tensors(tag)]


def _values(events, tag):
    return {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}


def _picture(events, tag, step):
    width, height, data = _values(events, tag)[step][:3]
    picture = tf.io.decode_png(data).numpy()
    assert picture.shape == (int(height), int(width), 3)
    return picture


@pytest.fixture(scope="module")
def recipe(dataset_name):
    return get_recipe(
        "demo", dataset=dataset_name, width=1 / 16, image_size=67, batch_size=8, statistics_examples=16,
        steps=4, evaluate_every=4, learning_rate=1e-4, dropout=0.5, color_noise=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def logs(recipe, tmp_path_factory):
    """The logs of a run that was first ended at step 4, then made longer; traced in its second half."""
    workdir = tmp_path_factory.mktemp("runs") / "run"
    train_and_evaluate(recipe, workdir, Options("none", log_every=2, layer_summaries_every=3))
    longer = dataclasses.replace(recipe, steps=8)
    train_and_evaluate(longer, workdir, Options("none", log_every=2, layer_summaries_every=3, profile=range(5, 7)))
    return workdir / "logs"


def test_scalars(logs):
    train, validation = _events(logs / "train"), _events(logs / "validation")
    assert all(_steps(train, _tag(name)) == [2, 4, 6, 8] for name in (*SCALARS, *TIMES))
    assert all(_steps(validation, _tag(name)) == [4, 8] for name in SCALARS)
    for kind in ("weight_norm", "gradient_norm"):
        for layer in LAYERS:
            found = _values(train, f"network_{kind}/{layer}")
            assert list(found) == [0, 3, 4, 6, 8] and all(value > 0 for value in found.values()), (kind, layer)
    for layer in LAYERS[:-1]:
        found = _values(train, f"network_dead_relus/{layer}")
        assert list(found) == [0, 3, 4, 6, 8] and all(0 <= value <= 1 for value in found.values())
    assert "network_dead_relus/fc8" not in train.Tags()["tensors"]


def test_tensorboard_opens_on_loss_and_errors(logs):
    tags = sorted({tag for kind in ("train", "validation") for tag in _events(logs / kind).Tags()["tensors"]})
    assert tags[:4] == [f"metrics/{name}" for name in ("learning_rate", "loss", "top1_error", "top5_error")]
    assert {tag.split("/")[0].split("_")[0] for tag in tags[4:]} == {"network", "pictures", "speed"}


def test_histograms(logs):
    train = _events(logs / "train")
    counts = {"network_biases/fc7": 256, "network_activations/fc8": 16, "network_weights/conv1": 11 * 11 * 3 * 6}
    for kind in ("weights", "biases", "activations"):
        for layer in LAYERS:
            found = _values(train, f"network_{kind}/{layer}")
            assert list(found) == [0, 4, 8]
            count = counts.get(f"network_{kind}/{layer}")
            assert count is None or all(buckets[:, 2].sum() == count for buckets in found.values())


def test_pictures(logs, recipe):
    train, validation = _events(logs / "train"), _events(logs / "validation")
    assert _steps(train, "pictures/conv1_kernels") == [0, 4, 8]
    # Two towers of three kernels, with gaps of 1 pixel, four times enlarged.
    assert _picture(train, "pictures/conv1_kernels", 8).shape == (2 * 4 * 13 + 32, 4 * 37, 3)
    shown = _picture(train, "pictures/augmented", 0)
    assert _steps(train, "pictures/augmented") == [0] and shown.shape == (73 + 6, 8 * 73 + 6, 3)
    # The first image that the run learned from, but for a flip and one shift of all its colors.
    batches = pipeline.training_batches(
        datasets.open_dataset(recipe.dataset).train, 2, 8, recipe.resize_crop, recipe.augmentation(0), 0, range(1)
    )
    batch = next(iter(batches))
    image = images.flip(batch["image"], batch["flip"])[0].numpy().astype(np.int32)
    shift = (shown[6:73, 6:73] - image)[image.min(axis=-1) > 20]
    assert shift.std(axis=0).max() < 0.6 and abs(shift.mean()) > 0
    # One to eight examples in up to two rows of four, each enlarged three times above three lines of text.
    for step in _steps(validation, "pictures/hardest_examples"):
        height, width, _ = _picture(validation, "pictures/hardest_examples", step).shape
        assert (height - 12) % (201 + 3 * 20 + 12) == 0 and (width - 12) % (201 + 12) == 0


def test_graph_and_hyperparameters(logs, recipe):
    (file,) = logs.glob("events.*")
    (text,) = [event.graph_def for event in tf.compat.v1.train.summary_iterator(str(file)) if event.graph_def]
    nodes = tf.compat.v1.GraphDef.FromString(text).node
    names = {node.name for node in nodes}
    assert len(names) == len(nodes) and "image" in names
    assert {name.split("/")[0] for name in names} >= {*LAYERS, "relu1", "norm1", "pool1", "probabilities"}
    assert all(name.lstrip("^").split(":")[0] in names for node in nodes for name in node.input)
    found = _events(logs).summary_metadata
    started = metadata.parse_session_start_info_plugin_data(
        found["_hparams_/session_start_info"].plugin_data.content
    ).hparams
    # Of the second command, which made the run longer.
    assert started["steps"].number_value == 8 and started["preset"].string_value == "paper"
    assert started["dropout"].number_value == 0.5 and started["learning_rate"].number_value == 1e-4
    # The handful that people tune; the others are in recipe.json.
    assert not {"name", "color_noise", "crop_group_size", "bias_lr_multiplier", "dataset"} & set(started)
    experiment = metadata.parse_experiment_plugin_data(found["_hparams_/experiment"].plugin_data.content)
    assert {(info.name.group, info.name.tag) for info in experiment.metric_infos} == {
        ("validation", _tag(name)) for name in SCALARS
    }


def test_a_trace_is_written(logs):
    (file,) = (logs / "train" / "plugins" / "profile").glob("*/*.xplane.pb")
    assert b"train" in file.read_bytes()


@pytest.mark.parametrize("text", ["", "5", "5,", "5,0", "-1,5", "1.5,2", "1,2,3", "a,b"])
def test_bad_profiles_are_named(text):
    with pytest.raises(ValueError, match=f"profile must be START,COUNT.*, got '{text}'"):
        profiling.parse(text)


def test_a_profile_beyond_the_run_is_named(recipe, tmp_path):
    assert profiling.parse("2,3") == range(2, 5) and profiling.parse(None) is None
    with pytest.raises(ValueError, match="within the 4 steps of the run, got 2,3, which ends at step 5"):
        train_and_evaluate(recipe, tmp_path / "run", Options("none", profile=profiling.parse("2,3")))
    assert not (tmp_path / "run").exists()


def test_calls_end_at_a_traces_bounds():
    of_steps = profiling.Trace(range(5, 7), None)
    assert [of_steps.end_of_call(step, step + 10) for step in (0, 5, 7)] == [5, 7, 17]


def test_what_a_killed_run_wrote_is_forgotten(tmp_path):
    for start, end in ((0, 6), (3, 5)):
        journal = Journal(tmp_path, 10, step=start)
        for step in range(start + 1, end):
            journal.write("train", step, {"loss": start + step / 10})
        time.sleep(1.1)  # Files are named by the second.
    found = _values(_events(tmp_path / "logs" / "train"), "metrics/loss")
    assert {step: round(float(value), 1) for step, value in found.items()} == {1: 0.1, 2: 0.2, 3: 0.3, 4: 3.4}


def test_watching_changes_nothing_and_two_replicas_show_the_same(recipe, tmp_path):
    recipe, checkpoints, events = dataclasses.replace(recipe, steps=2), {}, {}
    for name, strategy, every in (("watched", "none", 1), ("alone", "none", 0), ("two", "mirrored", 1)):
        train_and_evaluate(recipe, tmp_path / name, Options(strategy, layer_summaries_every=every))
        checkpoints[name] = tf.train.load_checkpoint(str(tmp_path / name / "checkpoints"))
        events[name] = _events(tmp_path / name / "logs" / "train")
    names = [name for name in checkpoints["alone"].get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    assert len(names) > 3 * 16  # Weights and both moments of Adam, the states of dropout, the step.
    for name in names:
        np.testing.assert_array_equal(checkpoints["watched"].get_tensor(name), checkpoints["alone"].get_tensor(name))
    tags = {name: set(found.Tags()["tensors"]) for name, found in events.items()}
    assert tags["watched"] == tags["two"]
    assert tags["alone"] == {_tag(name) for name in (*SCALARS, *TIMES, "memory_mb")}
    for tag in (f"network_{kind}/{layer}" for kind in ("weight_norm", "gradient_norm") for layer in LAYERS):
        one, two = (_values(events[name], tag) for name in ("watched", "two"))
        assert list(one) == list(two) == [0, 1, 2]
        assert two[0] == pytest.approx(one[0], rel=1e-4)


def _probe_arguments(recipe, model):
    color_pca = np.ones(3, np.float32), np.eye(3, dtype=np.float32)
    return recipe, datasets.open_dataset(recipe.dataset), model, np.zeros(3, np.float32), color_pca


def test_numbers_of_layers(recipe):
    model = helpers.enliven(AlexNet(get_preset("paper").widened(1 / 16), classes=2, input_shape=(67, 67, 3)))
    fc6 = model.get_layer("fc6")
    bias = fc6.bias.numpy()
    bias[:64] = -1e6
    fc6.bias.assign(bias)
    probe = LayerProbe(*_probe_arguments(recipe, model))
    values = probe.measure()
    alive = values["activations"]["fc6"].reshape(8, 256).any(axis=0)
    assert not alive[:64].any() and values["dead_relus"]["fc6"] == pytest.approx(1 - alive.mean())
    for layer in LAYERS:
        kernel = model.get_layer(layer).kernel.numpy()
        assert values["weight_norm"][layer] == pytest.approx(np.linalg.norm(kernel), rel=1e-5)
    kernels = [model.get_layer(layer).kernel for layer in LAYERS]
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy()(probe.batch["label"], model(probe.inputs()))
    for layer, gradient in zip(LAYERS, tape.gradient(loss, kernels), strict=True):
        assert values["gradient_norm"][layer] == pytest.approx(float(tf.norm(gradient)), rel=1e-4), layer


def test_dead_channels_by_hand():
    maps = np.zeros((3, 2, 2, 4), np.float32)
    maps[0, 1, 1, 0] = 1  # Alive in one place of one image.
    maps[2, :, :, 1] = 1  # Alive, but in an image that does not count.
    counts = tf.constant([True, True, False])
    assert float(layer_probe.dead_fraction(tf.constant(maps), counts)) == 0.75
    assert float(layer_probe.dead_fraction(tf.constant(maps[:, 1, 1]), counts)) == 0.75


def test_samples_pass_over_no_channel(monkeypatch):
    monkeypatch.setattr(layer_probe, "HISTOGRAM_VALUES", 100)
    columns = np.broadcast_to(np.arange(64, dtype=np.float32), (200, 64))
    sampled = layer_probe.sample(columns).numpy()
    assert 90 <= len(sampled) <= 110 and len(np.unique(sampled)) > 50


def test_workers_but_the_chief_write_nothing(recipe, tmp_path):
    model = AlexNet(get_preset("paper").widened(1 / 16), classes=2, input_shape=(67, 67, 3))
    probe = LayerProbe(*_probe_arguments(recipe, model))
    silent = Summaries(recipe, model, ("dark", "light"), probe, Journal(tmp_path, 10), writes=False)
    silent.write_start(0)
    silent.write_layers(1)
    silent.write_network(1)
    silent.write_hardest(1, None)
    assert not list(tmp_path.iterdir())


def test_the_hardest_examples_by_hand():
    hardest = HardestExamples(count=2)
    probabilities = tf.constant([[0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.9, 0.05, 0.05], [0.7, 0.1, 0.2]])
    numbers = tf.reshape(tf.range(4), [4, 1, 1, 1])
    for weights in ([1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]):
        # True class .3, true class .1, correct, true class .2.
        hardest(numbers, tf.constant([1, 1, 0, 2]), tf.constant(weights), probabilities)
    assert [int(prediction.image.item()) for prediction in hardest.predictions] == [1, 3]
    assert [prediction.label for prediction in hardest.predictions] == [1, 2]


def test_tensorboard_shows_the_drawings_of_the_hardest_examples(recipe, tmp_path):
    model = AlexNet(get_preset("paper").widened(1 / 16), classes=2, input_shape=(67, 67, 3))
    probe = LayerProbe(*_probe_arguments(recipe, model))
    summaries = Summaries(recipe, model, ("dark", "light"), probe, Journal(tmp_path, 10))
    hardest = HardestExamples()
    images = np.random.default_rng(0).integers(0, 256, (2, 67, 67, 3), np.uint8)
    hardest(*map(tf.constant, (images, [1, 1], [1.0, 1.0], [[0.9, 0.1], [0.8, 0.2]])))
    summaries.write_hardest(3, hardest)
    picture = _picture(_events(tmp_path / "logs" / "validation"), "pictures/hardest_examples", 3)
    for place, prediction in enumerate(hardest.predictions):
        left = 12 + place * (201 + 12)
        drawn = answers.draw(prediction, ("dark", "light"))
        np.testing.assert_array_equal(picture[12:-12, left : left + 201], drawn)
