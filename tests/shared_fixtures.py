"""Fixtures of all tests; two logical CPU devices, no GPU, fixed seeds, set before anything else touches TensorFlow."""

import os
import random

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import alexnet_tf  # noqa: E402, F401, I001 - before TensorFlow, which it sets up
import helpers  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import serving_app  # noqa: E402
import slow_tests  # noqa: E402
import tensorflow as tf  # noqa: E402

from alexnet_tf.exporting.export import export  # noqa: E402
from alexnet_tf.runs.recipes import get_recipe  # noqa: E402
from alexnet_tf.runs.run import load_run  # noqa: E402
from alexnet_tf.training.loop import train_and_evaluate  # noqa: E402

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


def pytest_collection_modifyitems(items):
    """Marks slow tests as such."""
    for item in filter(slow_tests.is_slow, items):
        item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def seeds():
    # Keras takes its seeds from these. Not `keras.utils.set_random_seed`: it seeds TensorFlow too, which then prepares
    # all functions again.
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """The export of a narrow network, for programs that do not use this package, and the network itself."""
    keras.utils.set_random_seed(0)  # The same network in each of pytest's processes.
    predictor = helpers.narrow_predictor("paper")
    images = np.random.default_rng(0).integers(0, 256, (4, 67, 67, 3)).astype(np.uint8)
    formats = ["saved_model", "tflite", "onnx"]
    made = helpers.made_once(
        tmp_path_factory, "export", lambda root: export(predictor, root / "out", formats, images=images)
    )
    return made / "out", predictor


@pytest.fixture(scope="session")
def dark_and_light(tmp_path_factory):
    """A dataset of two classes: its image files in `files`, and prepared in `records`. Not to be changed."""
    return helpers.made_once(tmp_path_factory, "dark_and_light", helpers.prepared_dark_and_light)


@pytest.fixture(scope="session")
def dataset_name(dark_and_light):
    """Its name, for runs that do not depend on how images are stored."""
    return f"records:{dark_and_light / 'records'}"


@pytest.fixture(scope="session")
def run_and_export(dataset_name, tmp_path_factory):
    """A directory with a run of two steps on that dataset in `run`, and its export in `out`. Not to be changed."""
    return helpers.made_once(tmp_path_factory, "run_and_export", lambda root: _train_and_export(dataset_name, root))


def _train_and_export(dataset, root):
    recipe = get_recipe("demo", dataset=dataset, steps=2, width=1 / 16, image_size=67, statistics_examples=8)
    train_and_evaluate(recipe, root / "run", helpers.UNWATCHED)
    run = load_run(root / "run")
    export(run.predictor(), root / "out", ["saved_model", "tflite", "onnx"], images=run.images("validation", 4))


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    """A folder of two classes with thirty images each, of different sizes, portrait and landscape."""
    return helpers.made_once(tmp_path_factory, "photo_folder", helpers.photo_folder)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Five photographs and a text file."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(helpers.noise_jpeg(number, 90 + 9 * number, 120))
    (folder / "text.jpg").write_text("This is not an image.")
    return sorted(folder.iterdir())


@pytest.fixture(scope="session")
def laid_out(exported, tmp_path_factory):
    """A directory with versions 9 and 10, of which 9 cannot be loaded, and the output of laying out 10."""
    out = tmp_path_factory.mktemp("models")
    said = serving_app.ran("layout.py", exported[0], out, "--name=narrow", "--version=10")
    serving_app.run_here("layout.py", exported[0], out, "--name=narrow", "--version=9")
    (out / "narrow" / "9" / "saved_model.pb").unlink()
    return out, said


@pytest.fixture(scope="session")
def no_proxy():
    """Servers listen on this machine, so a proxy must not be asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        yield


@pytest.fixture(scope="session")
def server(laid_out, no_proxy, tmp_path_factory):
    """The stand-in for TensorFlow Serving over that directory."""
    with (tmp_path_factory.mktemp("log") / "errors").open("w") as errors:
        server = serving_app.Server(laid_out[0], errors)
        yield server
        server.process.terminate()
        server.process.wait(timeout=30)
