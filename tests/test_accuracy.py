"""Errors of exported formats: counts, intervals, and where they are reported."""

import json

import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.cli import common
from alexnet_tf.data import shapes
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.evaluator import evaluate
from alexnet_tf.exporting.accuracy import Accuracy, Sample, columns, interval, measure
from alexnet_tf.exporting.export import export
from alexnet_tf.exporting.parity import Parity, recommended_tflite
from alexnet_tf.inference.predictor import Predictor


class _Constant(Predictor):
    """Gives class 3 to every image, the next ones with less and less probability; counts its calls."""

    calls = 0

    def probabilities(self, images):
        self.calls += 1
        row = np.roll(np.linspace(1, 0, len(self.class_names)), 3).astype(np.float32)
        return tf.tile(row[None], [len(images), 1])


@pytest.fixture(scope="module")
def split():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(shapes.COUNTS, "validation", 130)
        yield open_dataset("builtin:shapes", seed=0).validation


@pytest.mark.parametrize(
    "errors, images, expected",
    [(0, 100, (0.0, 0.0370)), (50, 100, (0.4038, 0.5962)), (100, 100, (0.9630, 1.0)), (41, 500, (0.0610, 0.1094))],
)
def test_intervals_are_wilsons(errors, images, expected):
    np.testing.assert_allclose(interval(errors, images), expected, atol=5e-5)


def test_errors_are_those_of_evaluate(split):
    predictor = helpers.narrow_predictor("original")
    constant = _Constant("constant", predictor.class_names, predictor.preprocessing)
    first, second = measure(predictor, [predictor, constant], Sample(split))
    expected = evaluate(predictor, split)
    assert first.images == expected.examples == split.count
    assert first.top1_error == first.keras_top1_error == second.keras_top1_error == pytest.approx(expected.top1_error)
    assert first.top5_error == first.keras_top5_error == pytest.approx(expected.top5_error)
    labels = np.array([shapes.draw(0, "validation", index)[1] for index in range(split.count)])
    assert second.top1_error == pytest.approx(np.mean(labels != 3))
    assert second.top5_error == pytest.approx(np.mean((labels < 3) | (labels > 7)))
    assert second.top1_interval[0] < second.top1_error < second.top1_interval[1]


def test_a_sample_ends_with_its_count_or_its_time(split):
    predictor = helpers.narrow_predictor("four_layers")
    constant = _Constant("constant", predictor.class_names, predictor.preprocessing)
    seen = []
    (accuracy,) = measure(constant, [constant], Sample(split, count=100, progress=seen.append))
    assert accuracy.images == 100 and seen == [64, 100] and constant.calls == 4
    (accuracy,) = measure(constant, [constant], Sample(split, seconds=0.0))
    assert accuracy.images == 64


def test_an_export_reports_its_errors(split, tmp_path, capsys):
    predictor = helpers.narrow_predictor("four_layers")
    images = np.zeros([1, 67, 67, 3], np.uint8)
    rows = export(predictor, tmp_path / "out", ["tflite"], images=images, sample=Sample(split, count=70))
    (fields,) = json.loads((tmp_path / "out" / "manifest.json").read_text())["parity"]
    assert fields["accuracy"]["images"] == 70
    assert fields["accuracy"]["top1_error"] == fields["accuracy"]["keras_top1_error"] == rows[0].accuracy.top1_error
    card = (tmp_path / "out" / "model_card.md").read_text()
    common.print_parity(rows)
    printed = capsys.readouterr().out
    for text in (*columns(fields["accuracy"]), "Errors on 70 validation images, with 95 % confidence intervals"):
        assert text in card and text in printed
    rows = export(predictor, tmp_path / "out", ["tflite"], images=images)
    assert "accuracy" not in json.loads((tmp_path / "out" / "manifest.json").read_text())["parity"][0]
    assert "were not measured" in (tmp_path / "out" / "model_card.md").read_text()
    common.print_parity(rows)
    assert "top-1 error" not in capsys.readouterr().out


def test_no_readable_image(tmp_path):
    predictor = helpers.narrow_predictor("four_layers")
    for name in "abcdefghij":
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "photos" / name / f"{number}.jpg").write_text("text")
    split = open_dataset(f"folder:{tmp_path / 'photos'}").validation
    with pytest.raises(UserError, match="must have a readable image to measure errors on, got none"):
        measure(predictor, [], Sample(split))


@pytest.mark.parametrize(
    "errors, expected",
    [
        ({"": 0.058, "_int8": 0.060, "_int4": 0.068}, "model_int4.tflite"),
        ({"": 0.058, "_int8": 0.060, "_int4": 0.070}, "model_int8.tflite"),
        ({"": 0.058, "_int8": 0.069, "_int4": 0.070}, "model.tflite"),
        ({"_int8": 0.080, "_int4": 0.090}, "model_int8.tflite"),
        ({"": None, "_int8": None, "_int4": None}, "model_int8.tflite"),
        ({"": None, "_float16": None}, "model_float16.tflite"),
    ],
)
def test_the_smallest_file_that_loses_at_most_a_point_is_recommended(errors, expected):
    megabytes = {"": 228, "_float16": 114, "_int8": 57, "_int4": 33}
    rows = [_parity("onnx", 1, errors[next(iter(errors))])]
    rows += [_parity(f"tflite{name}", megabytes[name], error) for name, error in errors.items()]
    assert recommended_tflite(rows) == expected
    assert recommended_tflite(rows[:1]) is None


def _parity(name, megabytes, error):
    accuracy = None if error is None else Accuracy(500, error, 0, (0, 1), (0, 1), 0.058, 0)
    return Parity(name, 0, 1, megabytes, 1, accuracy)
