"""Programs that load an export and know nothing of this package."""

import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
APPS = ROOT / "export" / "apps"


def _check(command, photos, runner, tolerance):
    """Runs an app over the photographs and compares its answers with the network's own."""
    done = subprocess.run([*command, *photos], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answers = {}
    for line in done.stdout.splitlines():
        file, label, score = line.split("\t")
        answers.setdefault(file, []).append((label, float(score)))
    assert list(answers) == [str(photo) for photo in photos]
    for photo in photos[:-1]:
        expected = runner.classify(photo.read_bytes())
        labels, scores = zip(*answers[str(photo)], strict=True)
        assert labels[0] == runner.class_names[expected.argmax()] and len(labels) == 5
        np.testing.assert_allclose(scores, np.sort(expected)[:-6:-1], atol=tolerance)
    assert set(answers[str(photos[-1])]) == {("invalid", 0)}


# A pixel that lies between two gray levels may be rounded either way, and an untrained network is touchy.
@pytest.mark.parametrize(
    "app, model, tolerance",
    [("label_tensorflow", ".", 1e-5), ("label_litert", "model.tflite", 2e-3), ("label_onnx", "model.onnx", 2e-3)],
)
def test_python(exported, photos, app, model, tolerance):
    out, runner = exported
    _check([sys.executable, APPS / "python" / f"{app}.py", out / model], photos, runner, tolerance)


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("make") and shutil.which("cc")),
    reason="no C compiler here; pip has none, and make apps insists on one",
)
def test_c(exported, photos, tmp_path):
    out, runner = exported
    shutil.copytree(APPS / "c", tmp_path / "c")
    built = subprocess.run(
        ["make", "-C", tmp_path / "c", f"PYTHON={sys.executable}"], capture_output=True, text=True, timeout=120
    )
    assert built.returncode == 0 and "warning" not in built.stderr, built.stderr
    _check([tmp_path / "c" / "label", out], photos, runner, 1e-5)


def test_the_readmes_five_lines(exported, photos, tmp_path):
    out, runner = exported
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", (ROOT / "README.md").read_text(), re.MULTILINE)
    (code,) = [block for block in blocks if "saved_model.load" in block]
    code = re.sub(r"^    ", "", code, flags=re.MULTILINE)
    assert len(code.strip().splitlines()) <= 5
    (tmp_path / "exported").symlink_to(out)
    (tmp_path / "photo.jpg").symlink_to(photos[0])
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    expected = runner.classify(photos[0].read_bytes())
    label, score = done.stdout.split()
    assert label == runner.class_names[expected.argmax()] and float(score) == pytest.approx(expected.max(), rel=1e-4)
