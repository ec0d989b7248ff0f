"""Exports of a narrow network: the same answers everywhere, or no export."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.serving import artifacts
from alexnet_tf.serving.classifier import Classifier
from alexnet_tf.serving.export import FORMATS, ParityError, export
from alexnet_tf.serving.runners import classifier_runner, open_runner

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 67, 67, 3)).astype(np.uint8)


def _classifier():
    # A wider start than the paper's, so that ten classes get different probabilities from an untrained network.
    preset = get_preset("original").widened(1 / 16).changed(Conv={"stddev": "he"}, Dense={"stddev": "he"})
    model = AlexNet(preset, input_shape=(67, 67, 3), classes=10)
    return Classifier(model, np.full(3, 127, np.float32), 76, 67, tuple("abcdefghij"))


def test_all_formats_give_the_networks_answer(tmp_path):
    classifier = _classifier()
    rows = export(classifier, tmp_path / "out", FORMATS, IMAGES, "original")
    assert [row.format for row in rows] == list(FORMATS)
    encoded = tf.io.encode_png(np.random.default_rng(1).integers(0, 256, (90, 120, 3)).astype(np.uint8)).numpy()
    expected = classifier_runner(classifier).classify(encoded)
    for name, tolerance in (("saved_model", 1e-5), ("model.tflite", 1e-4), ("model_float16.tflite", 2e-2)):
        found = open_runner(tmp_path / "out" / name)
        assert found.class_names == tuple("abcdefghij")
        np.testing.assert_allclose(found.classify(encoded), expected, atol=tolerance)
    served = tf.saved_model.load(str(tmp_path / "out" / "saved_model")).signatures["serving_default"]
    answer = served(encoded=tf.constant([encoded]))
    np.testing.assert_allclose(answer["probabilities"][0], expected, atol=1e-5)
    assert answer["labels"][0, 0].numpy().decode() == "abcdefghij"[expected.argmax()]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_tflite_file_has_one_convolution_a_layer():
    interpreter = Interpreter(model_content=artifacts.convert_tflite(_classifier(), "tflite"))
    operations = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert operations.count("CONV_2D") == 5
    assert not [name for name in operations if name.startswith("Flex")]


def test_a_broken_conversion_leaves_the_previous_export(tmp_path, monkeypatch):
    classifier = _classifier()
    export(classifier, tmp_path / "out", ["tflite"], IMAGES, "original")
    before = (tmp_path / "out" / "model.tflite").read_bytes()
    broken = artifacts.convert_tflite(_classifier(), "tflite")
    monkeypatch.setattr(artifacts, "convert_tflite", lambda *_: broken)
    for out in ("out", "new"):
        with pytest.raises(ParityError, match="tflite differs"):
            export(classifier, tmp_path / out, ["tflite"], IMAGES, "original")
    assert (tmp_path / "out" / "model.tflite").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_what_an_interrupted_export_left_is_no_obstacle(tmp_path):
    export(_classifier(), tmp_path / "out", ["tflite"], IMAGES, "original")
    (tmp_path / "out").rename(tmp_path / ".out.previous")
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "half.tflite").touch()
    with pytest.raises(ValueError, match="at least one image"):
        export(_classifier(), tmp_path / "out", ["tflite"], IMAGES[:0], "original")
    assert (tmp_path / "out" / "model.tflite").is_file()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_another_programs_manifest_is_no_export(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(ValueError, match="out must be"):
        export(_classifier(), tmp_path, ["tflite"], IMAGES, "original")
    assert (tmp_path / "manifest.json").is_file()


def test_bad_arguments(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(ValueError, match="formats must be"):
        export(None, tmp_path / "out", ["onnx"], IMAGES, "original")
    with pytest.raises(ValueError, match="out must be"):
        export(None, tmp_path / "photos", ["tflite"], IMAGES, "original")
    with pytest.raises(ValueError, match="model must be"):
        open_runner(tmp_path)
