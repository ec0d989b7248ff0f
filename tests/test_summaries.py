"""What TensorBoard finds in a run's event files."""

import dataclasses
import pathlib
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
from alexnet_tf.plotting import pictures
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.training import profiling, summaries
from alexnet_tf.training.journal import Journal
from alexnet_tf.training.loop import Options, train_and_evaluate
from alexnet_tf.training.summaries import HardestExamples, Summaries

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
SCALARS = ("loss", "top1_error", "top5_error")
TIMES = ("learning_rate", "images_per_second", "step_seconds", "input_seconds", "compute_seconds")


def _events(directory):
    """What TensorBoard reads of one directory."""
    found = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    return found.Reload()


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
def recipe(tmp_path_factory):
    folder = helpers.dark_and_light(tmp_path_factory.mktemp("data") / "set")
    return get_recipe(
        "demo", dataset=f"folder:{folder}", width=1 / 16, image_size=67, batch_size=8, statistics_examples=16,
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
    assert all(_steps(train, tag) == [2, 4, 6, 8] for tag in (*SCALARS, *TIMES))
    assert all(_steps(validation, tag) == [4, 8] for tag in SCALARS)
    for kind in ("weight_norm", "gradient_norm"):
        for layer in LAYERS:
            found = _values(train, f"{kind}/{layer}")
            assert list(found) == [0, 3, 4, 6, 8] and all(value > 0 for value in found.values()), (kind, layer)
    for layer in LAYERS[:-1]:
        found = _values(train, f"dead_relus/{layer}")
        assert list(found) == [0, 3, 4, 6, 8] and all(0 <= value <= 1 for value in found.values())
    assert "dead_relus/fc8" not in train.Tags()["tensors"]


def test_histograms(logs):
    train = _events(logs / "train")
    counts = {"biases/fc7": 256, "activations/fc8": 16, "weights/conv1": 11 * 11 * 3 * 6}
    for kind in ("weights", "biases", "activations"):
        for layer in LAYERS:
            found = _values(train, f"{kind}/{layer}")
            assert list(found) == [0, 4, 8]
            count = counts.get(f"{kind}/{layer}")
            assert count is None or all(buckets[:, 2].sum() == count for buckets in found.values())


def test_pictures(logs, recipe):
    train, validation = _events(logs / "train"), _events(logs / "validation")
    assert _steps(train, "conv1_kernels") == [0, 4, 8]
    # Two towers of three kernels, 11 pixels four times enlarged.
    assert _picture(train, "conv1_kernels", 8).shape == (2 * 48 + 36, 3 * 46 + 2, 3)
    shown = _picture(train, "augmented", 0)
    assert _steps(train, "augmented") == [0] and shown.shape == (73 + 6, 8 * 73 + 6, 3)
    # The first image that the run learned from, but for a flip and one shift of all its colors.
    batches = pipeline.training_batches(
        datasets.open_dataset(recipe.dataset).train, 2, 8, recipe.resize_crop, recipe.augmentation(0), 0, range(1)
    )
    batch = next(iter(batches))
    image = images.flip(batch["image"], batch["flip"])[0].numpy().astype(np.int32)
    shift = (shown[6:73, 6:73] - image)[image.min(axis=-1) > 20]
    assert shift.std(axis=0).max() < 0.6 and abs(shift.mean()) > 0
    for step in _steps(validation, "worst_mistakes"):
        assert _picture(validation, "worst_mistakes", step).shape[1] > pictures._LEAST_SIDE


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
    assert started["color_noise"].bool_value and "image_size" in started and "precision" in started
    experiment = metadata.parse_experiment_plugin_data(found["_hparams_/experiment"].plugin_data.content)
    assert {(info.name.group, info.name.tag) for info in experiment.metric_infos} == {
        ("validation", tag) for tag in SCALARS
    }


def test_a_trace_is_written(logs):
    (file,) = (logs / "train" / "plugins" / "profile").glob("*/*.xplane.pb")
    assert b"train" in file.read_bytes()


@pytest.mark.parametrize("text", ["", "5", "5,", "5,0", "-1,5", "1.5,2", "1,2,3", "a,b"])
def test_bad_profiles_are_named(text):
    with pytest.raises(ValueError, match=f"profile must be START,COUNT.* Received: profile='{text}'"):
        profiling.parse(text)


def test_a_profile_beyond_the_run_is_named(recipe, tmp_path):
    assert profiling.parse("2,3") == range(2, 5) and profiling.parse(None) is None
    with pytest.raises(ValueError, match="within the 4 steps of the run. Received: profile=2,3, which ends at step 5"):
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
    found = _values(_events(tmp_path / "logs" / "train"), "loss")
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
    assert tags["alone"] == {*SCALARS, *TIMES, "memory_mb"}
    for tag in (f"{kind}/{layer}" for kind in ("weight_norm", "gradient_norm") for layer in LAYERS):
        one, two = (_values(events[name], tag) for name in ("watched", "two"))
        assert list(one) == list(two) == [0, 1, 2]
        assert two[0] == pytest.approx(one[0], rel=1e-4)


def _summaries(recipe, model, tmp_path, **options):
    axes = np.ones(3, np.float32), np.eye(3, dtype=np.float32)
    dataset = datasets.open_dataset(recipe.dataset)
    return Summaries(recipe, dataset, model, np.zeros(3, np.float32), axes, Journal(tmp_path, 10), **options)


def test_numbers_of_layers(recipe, tmp_path):
    model = helpers.enliven(AlexNet(get_preset("paper").widened(1 / 16), classes=2, input_shape=(67, 67, 3)))
    fc6 = model.get_layer("fc6")
    bias = fc6.bias.numpy()
    bias[:64] = -1e6
    fc6.bias.assign(bias)
    found = _summaries(recipe, model, tmp_path)._found()
    alive = found["activations"]["fc6"].reshape(8, 256).any(axis=0)
    assert not alive[:64].any() and found["dead_relus"]["fc6"] == pytest.approx(1 - alive.mean())
    for layer in LAYERS:
        kernel = model.get_layer(layer).kernel.numpy()
        assert found["weight_norm"][layer] == pytest.approx(np.linalg.norm(kernel), rel=1e-5)
    batch = _summaries(recipe, model, tmp_path)._first_batch()
    inputs = _summaries(recipe, model, tmp_path)._inputs()
    kernels = [model.get_layer(layer).kernel for layer in LAYERS]
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy()(batch["label"], model(inputs))
    for layer, gradient in zip(LAYERS, tape.gradient(loss, kernels), strict=True):
        assert found["gradient_norm"][layer] == pytest.approx(float(tf.norm(gradient)), rel=1e-4), layer


def test_dead_channels_by_hand():
    maps = np.zeros((3, 2, 2, 4), np.float32)
    maps[0, 1, 1, 0] = 1  # Alive in one place of one image.
    maps[2, :, :, 1] = 1  # Alive, but in an image that does not count.
    counts = tf.constant([True, True, False])
    assert float(summaries._share_of_dead(tf.constant(maps), counts)) == 0.75
    assert float(summaries._share_of_dead(tf.constant(maps[:, 1, 1]), counts)) == 0.75


def test_samples_pass_over_no_channel(monkeypatch):
    monkeypatch.setattr(summaries, "SAMPLE", 100)
    columns = np.broadcast_to(np.arange(64, dtype=np.float32), (200, 64))
    found = summaries._sample(columns).numpy()
    assert 90 <= len(found) <= 110 and len(np.unique(found)) > 50


def test_workers_but_the_chief_write_nothing(recipe, tmp_path):
    model = AlexNet(get_preset("paper").widened(1 / 16), classes=2, input_shape=(67, 67, 3))
    silent = _summaries(recipe, model, tmp_path, writes=False)
    silent.introduce(0)
    silent.layers(1)
    silent.network(1)
    silent.mistakes(1, None)
    assert not list(tmp_path.iterdir())


def test_the_worst_mistakes_by_hand():
    worst = HardestExamples(count=2)
    probabilities = tf.constant([[0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.9, 0.05, 0.05], [0.7, 0.1, 0.2]])
    numbers = tf.reshape(tf.range(4), [4, 1, 1, 1])
    for weights in ([1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]):
        # Wrong by .3, wrong by .1, right, wrong by .2.
        worst(numbers, tf.constant([1, 1, 0, 2]), tf.constant(weights), probabilities)
    assert [int(mistake.image.item()) for mistake in worst.found] == [1, 3]
    assert [mistake.label for mistake in worst.found] == [1, 2]


def test_kernels_share_one_scale_and_towers_stand_apart():
    values = np.zeros((11, 11, 3, 4), np.float32)
    values[..., 0], values[..., 3] = 0.5, -1
    found = pictures.kernels(values, towers=2)
    assert found.shape == (2 * 48 + 36, 2 * 46 + 2, 3)
    center = lambda y, x: found[y + 20, x + 20, 0]  # noqa: E731
    assert [center(2, 2), center(2, 48), center(86, 2), center(86, 48)] == [191, 128, 128, 0]
    assert (found[48:84] == pictures.WHITE).all()


def test_captions():
    photograph = np.zeros((67, 67, 3), np.uint8)
    found = pictures.answer(photograph, "cat", ["dog" * 20, "cat"], [0.75, 0.25])
    assert found.shape == (134 + 3 * 20, 24 * 8, 3)
    bars = [
        (found[y] == color).all(axis=-1).sum() for y, color in ((155, pictures.OTHER_BAR), (175, pictures.TRUE_BAR))
    ]
    assert bars == [144, 48]
    assert (found[137:150] == 0).all(axis=-1).any()  # Letters.
    assert pictures.can_be_written("café noir") and not pictures.can_be_written("кот")
    assert pictures.can_be_written("".join(chr(i) for i in range(32, 127)))


def test_letters_are_part_of_the_package():
    file = pathlib.Path(pictures.__file__).with_name("letters.png")
    assert tf.io.decode_png(file.read_bytes()).shape == (16, 8 * len(pictures.LETTERS), 1)
