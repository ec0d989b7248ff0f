"""What a user of the package sees: names, types, and what importing it does and costs."""

import json
import os
import re
import resource
import subprocess
import sys

import pytest

import alexnet_tf

NAMES = [
    "AlexNet", "PRESETS", "Preset", "RECIPES", "Recipe", "compress", "decode_predictions", "evaluate", "export",
    "get_preset", "get_recipe", "layers", "load_run", "open_dataset", "open_predictor", "preprocess_input",
    "train_and_evaluate",
]  # fmt: skip

USER_SCRIPT = """
import numpy as np

import alexnet_tf
from alexnet_tf import AlexNet, Recipe, export, load_run, open_predictor, train_and_evaluate

model = AlexNet("caffe", classes=10, pooling="avg")
recipe = Recipe("mine", preset="bn", steps=20)
metrics: float = train_and_evaluate(recipe, "run").top1_error
run = load_run("run")
width: float = run.recipe.width
predictor = open_predictor("run")
names: tuple[str, ...] = predictor.class_names
dataset = alexnet_tf.open_dataset("builtin:shapes")
count: int = dataset.train.count
best = alexnet_tf.decode_predictions(model(alexnet_tf.preprocess_input(dataset)))
wordnet_id: str = best[0][0][0]
top5: float = alexnet_tf.evaluate(predictor, dataset).top5_error
sizes = [row.megabytes for row in export(run.predictor(), "export", images=np.zeros((1, 227, 227, 3), np.uint8))]
preset: alexnet_tf.Preset = alexnet_tf.get_preset("paper")
"""
MISTAKE = '\nAlexNet("paper", classses=10)\n'
REVEALED = ("AlexNet", "Recipe", "train_and_evaluate", "export", "run", "predictor", "dataset", "preset", "best")


def test_names():
    assert alexnet_tf.__all__ == NAMES
    assert dir(alexnet_tf) == sorted([*NAMES, "__version__"])
    assert all(getattr(alexnet_tf, name) is not None for name in NAMES)
    with pytest.raises(AttributeError, match="'alexnet_tf' has no attribute 'LeNet'"):
        alexnet_tf.LeNet  # noqa: B018


@pytest.mark.slow
def test_a_users_script_type_checks(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(USER_SCRIPT + "".join(f"reveal_type({name})\n" for name in REVEALED) + MISTAKE)
    root = os.path.dirname(os.path.dirname(alexnet_tf.__file__))
    command = [sys.executable, "-m", "mypy", f"--config-file={root}/pyproject.toml", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "MYPYPATH": root}, cwd=tmp_path, timeout=300
    )
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(errors) == 1 and 'Unexpected keyword argument "classses" for "AlexNet"' in errors[0], done.stdout
    types = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert len(types) == len(REVEALED)
    for name, revealed in zip(REVEALED, types, strict=True):
        assert not re.fullmatch(r"Any|def \(\*.*Any.*\) -> Any", revealed), (name, revealed)


LOAD = """
import sys
for module in sys.argv[2:]:
    __import__(module)
import keras
print(keras.models.load_model(sys.argv[1]).output_shape)
"""


@pytest.mark.slow
@pytest.mark.parametrize("modules", [("alexnet_tf", "keras"), ("keras", "alexnet_tf"), ("alexnet_tf", "tensorflow")])
def test_importing_the_package_registers_its_layers(modules, tmp_path):
    alexnet_tf.AlexNet("original", include_top=False, input_shape=(36, 36, 3)).save(tmp_path / "net.keras")
    command = [sys.executable, "-c", LOAD, str(tmp_path / "net.keras"), *modules]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == "(None, 1, 1, 256)", done.stderr


def test_importing_the_package_does_not_import_tensorflow():
    code = "import alexnet_tf, sys; print('tensorflow' in sys.modules, 'keras' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False"] * 3


MEASURED = """
import atexit, sys
atexit.register(lambda: sys.stderr.write(open("/proc/self/status").read()))
from alexnet_tf.cli.main import main
sys.argv = ["alexnet-tf", "presets", "--json"]
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_presets_are_listed_in_a_second_and_300_mb():
    """Building the networks instead takes 7 s and 2.2 GB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert json.loads(done.stdout)["paper"]["parameters"] == 60_965_224
    # The processor's time, because other processes may delay this one.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
    # Not ru_maxrss, which includes the memory of this process before it started the other.
    assert int(re.search(r"VmHWM:\s+(\d+) kB", done.stderr)[1]) < 300_000


def test_building_a_network_prints_nothing():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    script = "from alexnet_tf import AlexNet; AlexNet('four_layers', classes=10)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
