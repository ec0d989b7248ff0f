"""Exports of a narrow network: the same answers everywhere, or no export."""

import io
import json
import sys
import zipfile

import helpers
import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from alexnet_tf.data import decoding, images
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.exporting import saved_model, tflite
from alexnet_tf.exporting.export import ParityError, export, verify
from alexnet_tf.exporting.formats import DEFAULT_FORMATS
from alexnet_tf.inference.predictor import Classifier
from alexnet_tf.inference.runners import classifier_runner, open_runner
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import build_model

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 67, 67, 3)).astype(np.uint8)


def _classifier():
    return helpers.narrow_classifier("original")


def test_all_formats_give_the_networks_answer(tmp_path):
    classifier = _classifier()
    rows = export(classifier, tmp_path / "out", DEFAULT_FORMATS, IMAGES, "original")
    assert [row.format for row in rows] == list(DEFAULT_FORMATS)
    encoded = tf.io.encode_png(np.random.default_rng(1).integers(0, 256, (90, 120, 3)).astype(np.uint8)).numpy()
    expected = classifier_runner(classifier).classify(encoded)
    for name, tolerance in (("saved_model", 1e-5), ("model.tflite", 1e-4), ("model_float16.tflite", 2e-2)):
        found = open_runner(tmp_path / "out" / name)
        assert found.class_names == tuple("abcdefghij")
        np.testing.assert_allclose(found.classify(encoded), expected, atol=tolerance)
    served = tf.saved_model.load(str(tmp_path / "out" / "saved_model")).signatures["serving_default"]
    answer = served(encoded=tf.constant([encoded]))
    np.testing.assert_allclose(answer["scores"][0], np.sort(expected)[:-6:-1], atol=1e-5)
    assert answer["labels"][0, 0].numpy().decode() == "abcdefghij"[expected.argmax()]
    assert answer["class_ids"][0, 0] == expected.argmax()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_onnx_gives_the_networks_answer(tmp_path):
    classifier = _classifier()
    export(classifier, tmp_path / "out", ["onnx"], IMAGES, "original")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    assert session.get_inputs()[0].shape == ["batch", 67, 67, 3]
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == list("abcdefghij")
    assert (metadata["resize"], metadata["crop"]) == ("76", "67")
    probabilities, logits = session.run(["probabilities", "logits"], {"image": IMAGES})
    np.testing.assert_allclose(probabilities, classifier.probabilities(IMAGES), atol=1e-5)
    np.testing.assert_allclose(tf.nn.softmax(logits), probabilities, atol=1e-5)
    assert verify(tmp_path / "out")[0][-1]
    photo = helpers.noise_jpeg(0, 90, 120)
    found = open_runner(tmp_path / "out" / "model.onnx").classify(photo)
    np.testing.assert_allclose(found, classifier_runner(classifier).classify(photo), atol=1e-5)


def test_onnx_asks_for_its_packages_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ValueError, match=r"formats=onnx needs tf2onnx: pip install 'alexnet-tf\[onnx\]'"):
        export(None, tmp_path / "out", ["onnx"], IMAGES, "original")


def test_ten_views_are_those_of_evaluation(tmp_path):
    classifier = _classifier()
    saved_model.write(classifier, tmp_path / "model", ten_views=True)
    served = tf.saved_model.load(str(tmp_path / "model")).signatures["ten_views"]
    photo = helpers.noise_jpeg(0, 90, 120)
    square = decoding.crop_from_file(tf.constant(photo), ResizeCrop(76, 76), tf.fill([2], 0.5))
    views = images.ten_views(square[None], 67)[0]
    expected = np.mean(classifier.probabilities(views), axis=0)
    answer = served(encoded=tf.constant([b"no image", photo]))
    np.testing.assert_allclose(answer["scores"][1], np.sort(expected)[:-6:-1], rtol=1e-4)
    assert answer["labels"][1, 0].numpy().decode() == "abcdefghij"[expected.argmax()]
    assert answer["labels"][0, 0] == "invalid"


def test_inner_layers_are_the_networks(tmp_path):
    classifier = _classifier()
    saved_model.write(classifier, tmp_path / "model")
    signatures = tf.saved_model.load(str(tmp_path / "model")).signatures
    pixels, features = (signatures[name](image=tf.constant(IMAGES)) for name in ("pixels", "features"))
    np.testing.assert_allclose(tf.nn.softmax(pixels["logits"]), pixels["probabilities"], rtol=1e-5)
    model, inputs = classifier.model, IMAGES.astype(np.float32) - classifier.mean
    for name, output in (("fc7", model.get_layer("relu7").output), ("pool5", model.get_layer("flatten").input)):
        expected = keras.Model(model.inputs, output).predict(inputs, verbose=0)
        np.testing.assert_allclose(features[name], expected, rtol=1e-4, atol=1e-5)


def test_what_is_no_image_is_invalid_and_the_others_are_answered(tmp_path):
    saved_model.write(_classifier(), tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    good = [helpers.noise_jpeg(seed, 90, 120) for seed in range(3)]
    alone = served(encoded=tf.constant(good))
    mixed = served(encoded=tf.constant([b"", good[0], good[1][:200], b"text", good[1], good[2], b"\xff\xd8\xff"]))
    # Other batch sizes round otherwise.
    np.testing.assert_allclose(mixed["scores"].numpy()[[1, 4, 5]], alone["scores"], rtol=1e-4)
    for name in ("class_ids", "labels"):
        np.testing.assert_array_equal(mixed[name].numpy()[[1, 4, 5], 0], alone[name].numpy()[:, 0])
    bad = [0, 2, 3, 6]
    assert (mixed["labels"].numpy()[bad] == b"invalid").all()
    assert (mixed["scores"].numpy()[bad] == 0).all() and (mixed["class_ids"].numpy()[bad] == -1).all()
    with pytest.raises(tf.errors.InvalidArgumentError, match="encoded must hold at least one image"):
        served(encoded=tf.constant([], tf.string))


def test_the_manifest_lets_others_do_the_same(tmp_path):
    """With NumPy, Pillow and the TFLite runtime alone, from what the manifest says."""
    from PIL import Image

    classifier = _classifier()
    export(classifier, tmp_path / "out", ["saved_model", "tflite"], IMAGES, "original")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    interpreter = Interpreter(str(tmp_path / "out" / "model.tflite"))
    interpreter.allocate_tensors()
    served = tf.saved_model.load(str(tmp_path / "out" / "saved_model")).signatures["serving_default"]
    photos = [helpers.noise_jpeg(seed, 150 + 7 * (seed % 5), 170 + 11 * (seed % 3)) for seed in range(32)]
    for encoded in photos:
        image = Image.open(io.BytesIO(encoded)).convert("RGB")
        scale = manifest["resize"] / min(image.size)
        size = [round(side * scale) for side in image.size]
        colors = [np.asarray(color.convert("F").resize(size, Image.BILINEAR)) for color in image.split()]
        pixels = np.rint(np.stack(colors, -1)).astype(np.uint8)
        for size in (manifest["resize"], manifest["crop"]):
            top, left = ((side - size) // 2 for side in pixels.shape[:2])
            pixels = pixels[top : top + size, left : left + size]
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
        interpreter.invoke()
        answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
        expected = served(encoded=tf.constant([encoded]))
        assert manifest["classes"][answer.argmax()] == expected["labels"][0, 0].numpy().decode()
        np.testing.assert_allclose(np.sort(answer)[:-6:-1], expected["scores"][0], atol=2e-3)


def test_verify_finds_what_has_changed(tmp_path):
    export(_classifier(), tmp_path / "out", DEFAULT_FORMATS, IMAGES, "original")
    rows = verify(tmp_path / "out")
    assert [row[0] for row in rows] == list(DEFAULT_FORMATS)
    assert all(error <= bound for _, error, bound, _ in rows)
    file = tmp_path / "out" / "model.tflite"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="missing or changed: model.tflite"):
        verify(tmp_path / "out")
    with pytest.raises(ValueError, match="must hold an export's manifest.json"):
        verify(tmp_path)


def test_the_card_says_what_is_known(tmp_path):
    export(_classifier(), tmp_path / "out", ["tflite"], IMAGES, "original", about={"top-1 error": "12.34 %"})
    card = (tmp_path / "out" / "model_card.md").read_text()
    assert "preset original" in card and "- top-1 error: 12.34 %" in card and "| tflite |" in card


def test_a_tflite_file_has_one_convolution_a_layer():
    interpreter = Interpreter(model_content=tflite.convert(_classifier(), "tflite"))
    operations = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert operations.count("CONV_2D") == 5
    assert not [name for name in operations if name.startswith("Flex")]


def test_a_tflite_file_holds_its_names_and_labels():
    content = tflite.convert(_classifier(), "tflite")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt").decode().split() == list("abcdefghij")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (buffer,) = [entry.buffer for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    metadata = bytes(model.buffers[buffer].data)
    assert metadata[4:8] == b"M001"
    for text in (b"AlexNet", b"image", b"probability", b"labels.txt", b"resized to 76 pixels, the central 67 by 67"):
        assert text in metadata


def test_full_int8_computes_in_integers():
    content = tflite.convert(_classifier(), "tflite_full_int8", IMAGES)
    interpreter = Interpreter(model_content=content)
    outputs = [o["outputs"][0] for o in interpreter._get_ops_details() if o["op_name"] == "CONV_2D"]
    dtypes = {d["index"]: d["dtype"] for d in interpreter.get_tensor_details()}
    assert len(outputs) == 5 and {dtypes[index] for index in outputs} == {np.int8}
    assert interpreter.get_input_details()[0]["dtype"] is np.uint8


def test_a_broken_conversion_leaves_the_previous_export(tmp_path, monkeypatch):
    classifier = _classifier()
    export(classifier, tmp_path / "out", ["tflite"], IMAGES, "original")
    before = (tmp_path / "out" / "model.tflite").read_bytes()
    broken = tflite.convert(_classifier(), "tflite")
    monkeypatch.setattr(tflite, "convert", lambda *_: broken)
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
        export(None, tmp_path / "out", ["pickle"], IMAGES, "original")
    with pytest.raises(ValueError, match="out must be"):
        export(None, tmp_path / "photos", ["tflite"], IMAGES, "original")
    with pytest.raises(ValueError, match="model must be"):
        open_runner(tmp_path)


@pytest.mark.parametrize("preset, fields, names", [
    ("four_layers", {}, ("pool3",)), ("paper", {"activation": "tanh"}, ("pool5", "fc7")),
])  # fmt: skip
def test_features_of_other_networks(preset, fields, names):
    recipe = get_recipe("demo", preset=preset, width=1 / 4, image_size=67, initialization="preset", **fields)
    model = build_model(recipe, 3)
    found = Classifier(model, np.zeros(3, np.float32), 76, 67, ("a", "b", "c"))
    assert found.feature_names == names
    layers = found.layers(np.zeros([2, 67, 67, 3], np.uint8), "logits", *names)
    assert layers["logits"].shape == (2, 3) and len(layers[names[0]].shape) == 4
