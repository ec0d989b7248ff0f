"""Programs that load an export without this package."""

import pathlib
import re
import shutil
import subprocess
import sys

import helpers
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
APPS = ROOT / "export" / "apps"


def _check(command, photos, predictor, tolerance, says=""):
    """Runs an app on the photographs and compares its output with the network's; `says` must be on stderr."""
    done = subprocess.run([*command, *photos], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert says in done.stderr
    answers = {}
    for line in done.stdout.splitlines():
        file, label, score = line.split("\t")
        answers.setdefault(file, []).append((label, float(score)))
    assert list(answers) == [str(photo) for photo in photos]
    for photo in photos[:-1]:
        expected = predictor.predict(photo.read_bytes())
        labels, scores = zip(*answers[str(photo)], strict=True)
        assert labels[0] == predictor.class_names[expected.argmax()] and len(labels) == 5
        np.testing.assert_allclose(scores, np.sort(expected)[:-6:-1], atol=tolerance)
    assert set(answers[str(photos[-1])]) == {("invalid", 0)}


# A pixel between two gray levels may be rounded either way, which an untrained network amplifies.
@pytest.mark.parametrize(
    "app, model, tolerance",
    [("label_tensorflow", ".", 1e-5), ("label_litert", "model.tflite", 2e-3), ("label_onnx", "model.onnx", 2e-3)],
)
def test_python(exported, photos, app, model, tolerance):
    out, predictor = exported
    _check([sys.executable, APPS / "python" / f"{app}.py", out / model], photos, predictor, tolerance)


def test_of_an_export_the_recommended_file_runs(exported, photos, tmp_path):
    out, predictor = exported
    (tmp_path / "model_int4.tflite").symlink_to(out / "model.tflite")
    (tmp_path / "manifest.json").write_text('{"recommended_tflite": "model_int4.tflite"}')
    command = [sys.executable, APPS / "python" / "label_litert.py", tmp_path]
    _check(command, photos, predictor, 2e-3, f"using {tmp_path / 'model_int4.tflite'}\n")


@pytest.mark.parametrize("app, model", [("label_litert", "model.tflite"), ("label_onnx", "model.onnx")])
def test_a_file_without_its_manifest(exported, photos, tmp_path, app, model):
    out, predictor = exported
    shutil.copy(out / model, tmp_path)
    _check([sys.executable, APPS / "python" / f"{app}.py", tmp_path / model], photos, predictor, 2e-3)


def test_a_tflite_file_of_another_program_is_one_line(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"TFL3")
    command = [sys.executable, APPS / "python" / "label_litert.py", tmp_path / "model.tflite", "photo.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'model.tflite'}: no metadata of alexnet-tf export\n"


def test_an_export_without_a_tflite_file_is_one_line(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    command = [sys.executable, APPS / "python" / "label_litert.py", tmp_path, "photo.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}: no manifest.json that recommends a TFLite file\n"


@pytest.mark.slow
@helpers.requires(
    shutil.which("make") and shutil.which("cc"), "no C compiler here; pip has none, and make apps insists on one"
)
def test_c(exported, photos, tmp_path):
    out, predictor = exported
    shutil.copytree(APPS / "c", tmp_path / "c")
    built = subprocess.run(
        ["make", "-C", tmp_path / "c", f"PYTHON={sys.executable}"], capture_output=True, text=True, timeout=120
    )
    assert built.returncode == 0 and "warning" not in built.stderr, built.stderr
    _check([tmp_path / "c" / "label", out], photos, predictor, 1e-5)


def _block(page, containing):
    """The Python block of a Markdown page that contains a text."""
    blocks = re.findall(r"^```python\n(.+?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    (code,) = [block for block in blocks if containing in block]
    return code


@pytest.mark.parametrize(
    "page, containing, lines, tolerance",
    [
        ("README.md", 'open_predictor("exported")', 5, 1e-4),
        ("docs/export.md", "saved_model.load", 5, 1e-4),
        # Pillow rounds between rows and columns. The model lies alone in its directory.
        ("docs/export.md", "ai_edge_litert", 30, 1e-2),
    ],
)
def test_blocks_of_the_docs_label_a_photograph(exported, photos, tmp_path, page, containing, lines, tolerance):
    out, predictor = exported
    code = _block(page, containing)
    assert len(code.strip().splitlines()) <= lines
    isolated = [] if "alexnet_tf" in code else ["-I"]
    (tmp_path / "exported").symlink_to(out)
    (tmp_path / "model.tflite").symlink_to(out / "model.tflite")
    (tmp_path / "photo.jpg").symlink_to(photos[0])
    command = [sys.executable, *isolated, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    expected = predictor.predict(photos[0].read_bytes())
    label, score = done.stdout.splitlines()[0].split()
    assert label == predictor.class_names[expected.argmax()]
    score = float(score.rstrip("%")) / (100 if "%" in score else 1)
    assert score == pytest.approx(expected.max(), rel=tolerance)
