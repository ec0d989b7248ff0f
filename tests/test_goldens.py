"""What an earlier version saved: later versions must read it, or refuse its format version in one clear message."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.errors import UserError
from alexnet_tf.exporting.verification import verify
from alexnet_tf.inference.manifest import read_manifest
from alexnet_tf.runs.metrics_log import read_metrics
from alexnet_tf.runs.opening import open_predictor
from alexnet_tf.runs.recipe import Recipe, read_recipe
from alexnet_tf.runs.run import load_run

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDENS = ROOT / "tests" / "goldens"
# Kernels differ from one CPU to the next.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def answers():
    saved = json.loads((GOLDENS / "answers.json").read_text())
    return np.array(saved["images"], np.uint8), np.array(saved["probabilities"], np.float32)


@pytest.mark.parametrize("saved", ["run", "export", "export/saved_model", "export/model.tflite"])
def test_saved_networks_give_the_answers_they_gave(saved, answers):
    images, expected = answers
    predictor = open_predictor(GOLDENS / saved)
    assert predictor.class_names == ("circle", "star")
    probabilities = np.concatenate([predictor.probabilities(image[None]) for image in images])
    np.testing.assert_allclose(probabilities, expected, atol=TOLERANCE)


def test_the_run_is_read_with_all_that_belongs_to_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    run = load_run(GOLDENS / "run")
    assert (
        run.recipe == read_recipe(GOLDENS / "run") and run.recipe.width == 0.125 and run.recipe.initialization == "he"
    )
    assert (run.dataset.train.count, run.dataset.validation.count) == (14, 2)
    (row,) = read_metrics(GOLDENS / "run", "validation")
    result = json.loads((GOLDENS / "run" / "result.json").read_text())
    assert row["step"] == 2 and row["top1_error"] == result["top1_error"]


def test_the_prepared_set_is_read():
    dataset = open_dataset(f"records:{GOLDENS / 'records'}")
    assert dataset.class_names == ("circle", "star") and dataset.train.labels.tolist().count(0) == 7
    assert dataset.statistics.mean_image.shape == (32, 32, 3) and dataset.statistics.count == 14


def test_the_export_verifies():
    assert all(row.relative_error <= row.bound and row.same_top1 for row in verify(GOLDENS / "export"))


READERS = {
    "run/recipe.json": lambda root: Recipe.load(root / "run" / "recipe.json"),
    "run/metrics.jsonl": lambda root: read_metrics(root / "run", "train"),
    "export/manifest.json": lambda root: read_manifest(root / "export"),
    "records/dataset.json": lambda root: open_dataset(f"records:{root / 'records'}"),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("version", ["2", "null", "missing"])
def test_an_unknown_format_version_is_one_clear_error(name, version, tmp_path):
    shutil.copytree(GOLDENS, tmp_path / "goldens")
    file = tmp_path / "goldens" / name
    text = file.read_text()
    assert text.count('"format_version": 1') == 1
    other = '"another": 1' if version == "missing" else f'"format_version": {version}'
    file.write_text(text.replace('"format_version": 1', other))
    with pytest.raises(UserError, match="format_version 1"):
        READERS[name](tmp_path / "goldens")
    file.write_text(text)
    READERS[name](tmp_path / "goldens")


@pytest.mark.parametrize("text", [None, "", "{", "[1, 2]", '"circle"', "[]", "{}", "[" * 100_000, '["circle"]'])
def test_class_names_that_are_missing_or_wrong_are_one_clear_error(text, tmp_path):
    shutil.copytree(GOLDENS / "run", tmp_path / "run")
    file = tmp_path / "run" / "classes.json"
    file.unlink() if text is None else file.write_text(text)
    # One class instead of two is valid by itself, but fits no checkpoint.
    message = "checkpoint" if text == '["circle"]' else "classes.json"
    with pytest.raises(UserError, match=message):
        load_run(tmp_path / "run")
