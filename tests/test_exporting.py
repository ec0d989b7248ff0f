"""Exports of a narrow network: the same predictions from every format, or no export."""

import importlib.util
import io
import json
import shutil
import sys
import zipfile

import helpers
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.data import images
from alexnet_tf.data.file_crop import crop_from_file
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.errors import UserError
from alexnet_tf.exporting import tflite
from alexnet_tf.exporting.export import export
from alexnet_tf.exporting.formats import DEFAULT_FORMATS
from alexnet_tf.exporting.parity import ParityError
from alexnet_tf.exporting.verification import verify
from alexnet_tf.inference.exported import open_export
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import InputPreprocessing
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.lowering import Lowerable
from alexnet_tf.models.presets import get_preset
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import build_model

FORMATS = (*DEFAULT_FORMATS, "onnx")
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 67, 67, 3)).astype(np.uint8)


def _predictor():
    return helpers.narrow_predictor("original")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The export of `_predictor()` in some formats, and the predictor."""
    keras.utils.set_random_seed(0)  # The same network in each of pytest's processes.
    predictor, about = _predictor(), {"top-1 error": "12.34 %"}
    made = helpers.made_once(
        tmp_path_factory,
        "original",
        lambda root: export(predictor, root / "out", FORMATS, images=IMAGES, ten_views=True, about=about),
    )
    return made / "out", predictor


@pytest.fixture
def copied(original, tmp_path):
    """A copy of that export in `tmp_path / "out"`."""
    return shutil.copytree(original[0], tmp_path / "out")


def test_all_formats_give_the_predictions_of_the_network(original):
    out, predictor = original
    assert [row["format"] for row in json.loads((out / "manifest.json").read_text())["parity"]] == list(FORMATS)
    encoded = tf.io.encode_png(np.random.default_rng(1).integers(0, 256, (90, 120, 3)).astype(np.uint8)).numpy()
    expected = predictor.predict(encoded)
    for name, tolerance in (("saved_model", 1e-5), ("model.tflite", 1e-4), ("model_float16.tflite", 2e-2)):
        found = open_export(out / name)
        assert found.class_names == tuple("abcdefghij")
        np.testing.assert_allclose(found.predict(encoded), expected, atol=tolerance)
    served = tf.saved_model.load(str(out / "saved_model")).signatures["serving_default"]
    answer = served(encoded=tf.constant([encoded]))
    np.testing.assert_allclose(answer["scores"][0], np.sort(expected)[:-6:-1], atol=1e-5)
    assert answer["labels"][0, 0].numpy().decode() == "abcdefghij"[expected.argmax()]
    assert answer["class_ids"][0, 0] == expected.argmax()
    assert [entry.name for entry in out.parent.iterdir()] == ["out"]


def test_onnx_gives_the_predictions_of_the_network(original):
    out, predictor = original
    session = onnxruntime.InferenceSession(str(out / "model.onnx"))
    assert session.get_inputs()[0].shape == ["batch", 67, 67, 3]
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == list("abcdefghij")
    assert (metadata["resize"], metadata["crop"]) == ("76", "67")
    probabilities, logits = session.run(["probabilities", "logits"], {"image": IMAGES})
    np.testing.assert_allclose(probabilities, predictor.probabilities(IMAGES), atol=1e-5)
    np.testing.assert_allclose(tf.nn.softmax(logits), probabilities, atol=1e-5)
    operations = {node.op_type for node in onnx.load(out / "model.onnx").graph.node}
    assert "Conv" in operations and not {"LRN", "Pow"} & operations  # Which ONNX Runtime computes slowly.
    assert all(row.same_top1 for row in verify(out) if row.format == "onnx")
    photo = helpers.noise_jpeg(0, 90, 120)
    found = open_export(out / "model.onnx").predict(photo)
    np.testing.assert_allclose(found, predictor.predict(photo), atol=1e-5)


def test_missing_onnx_packages_are_reported_first(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ValueError, match=r"formats=onnx needs tf2onnx: pip install 'alexnet-tf\[onnx\]'"):
        export(None, tmp_path / "out", ["onnx"], images=IMAGES)


def test_the_ten_views_of_an_export_are_those_of_evaluation(original):
    out, predictor = original
    served = tf.saved_model.load(str(out / "saved_model")).signatures["ten_views"]
    photo = helpers.noise_jpeg(0, 90, 120)
    square = crop_from_file(tf.constant(photo), ResizeCrop(76, 76), tf.fill([2], 0.5))
    views = images.ten_views(square[None], 67)[0]
    expected = np.mean(predictor.probabilities(views), axis=0)
    answer = served(encoded=tf.constant([b"not an image", photo]))
    np.testing.assert_allclose(answer["scores"][1], np.sort(expected)[:-6:-1], rtol=1e-4)
    assert answer["labels"][1, 0].numpy().decode() == "abcdefghij"[expected.argmax()]
    assert answer["labels"][0, 0] == "invalid"


def test_an_export_gives_the_inner_layers_of_the_network(original):
    out, predictor = original
    signatures = tf.saved_model.load(str(out / "saved_model")).signatures
    saved = saved_model_pb2.SavedModel.FromString((out / "saved_model" / "saved_model.pb").read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    operations = {node.op for function in functions for node in function.node_def}
    assert "Conv2D" in operations and "LRN" not in operations  # Which TensorFlow computes slowly on a CPU.
    pixels, features = (signatures[name](image=tf.constant(IMAGES)) for name in ("pixels", "features"))
    np.testing.assert_allclose(tf.nn.softmax(pixels["logits"]), pixels["probabilities"], rtol=1e-5)
    model, inputs = predictor.model, IMAGES.astype(np.float32) - predictor.preprocessing.mean
    for name, output in (("fc7", model.get_layer("relu7").output), ("pool5", model.get_layer("flatten").input)):
        expected = keras.Model(model.inputs, output).predict(inputs, verbose=0)
        helpers.assert_close(name, features[name], expected, 1e-5)


def test_undecodable_images_are_invalid_and_the_others_are_classified(original):
    served = tf.saved_model.load(str(original[0] / "saved_model")).signatures["serving_default"]
    good = [helpers.noise_jpeg(seed, 90, 120) for seed in range(3)]
    alone = served(encoded=tf.constant(good))
    mixed = served(encoded=tf.constant([b"", good[0], good[1][:200], b"text", good[1], good[2], b"\xff\xd8\xff"]))
    # Results differ a little between batch sizes.
    np.testing.assert_allclose(mixed["scores"].numpy()[[1, 4, 5]], alone["scores"], rtol=1e-4)
    for name in ("class_ids", "labels"):
        np.testing.assert_array_equal(mixed[name].numpy()[[1, 4, 5], 0], alone[name].numpy()[:, 0])
    bad = [0, 2, 3, 6]
    assert (mixed["labels"].numpy()[bad] == b"invalid").all()
    assert (mixed["scores"].numpy()[bad] == 0).all() and (mixed["class_ids"].numpy()[bad] == -1).all()
    with pytest.raises(tf.errors.InvalidArgumentError, match="encoded must hold at least one image"):
        served(encoded=tf.constant([], tf.string))


def test_the_manifest_describes_the_preprocessing_completely(original):
    """With only NumPy, Pillow and the TFLite runtime, from the manifest."""
    from PIL import Image

    out, _ = original
    manifest = json.loads((out / "manifest.json").read_text())
    interpreter = Interpreter(str(out / "model.tflite"))
    interpreter.allocate_tensors()
    served = tf.saved_model.load(str(out / "saved_model")).signatures["serving_default"]
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


def test_verify_finds_changed_files(copied, tmp_path):
    rows = verify(copied)
    assert [row.format for row in rows] == list(FORMATS)
    assert all(row.passed for row in rows)
    file = copied / "model.tflite"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match="unchanged, got changed: 'model.tflite'$"):
        verify(copied)
    with pytest.raises(ValueError, match="must hold an export: it has no manifest.json"):
        verify(tmp_path)


def test_the_model_card_has_the_facts_of_the_run(original):
    card = (original[0] / "model_card.md").read_text()
    assert "preset original" in card and "- top-1 error: 12.34 %" in card and "| tflite |" in card


@pytest.mark.parametrize("name", ["tflite", "tflite_int8"])
def test_a_tflite_file_has_fast_operations_only(name):
    """Of one convolution a layer, and neither LRN nor powers, for which XNNPACK has no kernels."""
    predictor = _predictor()
    interpreter = Interpreter(model_content=tflite.convert(predictor, name))
    operations = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert operations.count("CONV_2D") == 5
    assert not [name for name in operations if name.startswith("Flex")]
    assert not {"LOCAL_RESPONSE_NORMALIZATION", "POW"} & set(operations)
    assert {layer.lowering for layer in predictor.model.layers if isinstance(layer, Lowerable)} == {
        "split", "fused", "power"
    }  # fmt: skip


def test_a_tflite_file_has_metadata():
    content = tflite.convert(_predictor(), "tflite")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt").decode().split() == list("abcdefghij")
        assert json.loads(archive.read("preprocessing.json")) == {"resize": 76, "crop": 67}
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (buffer,) = [entry.buffer for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    metadata = bytes(model.buffers[buffer].data)
    assert metadata[4:8] == b"M001"
    for text in (b"AlexNet", b"image", b"probability", b"labels.txt", b"resized to 76 pixels, the central 67 by 67"):
        assert text in metadata


def test_missing_quantizer_is_reported_first(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    message = r"formats=tflite_int4 needs ai_edge_quantizer: pip install 'alexnet-tf\[int4\]'"
    with pytest.raises(ValueError, match=message):
        export(None, tmp_path / "out", ["tflite_int4"], images=IMAGES)


needs_quantizer = helpers.requires(
    importlib.util.find_spec("ai_edge_quantizer"), "no ai_edge_quantizer here; pip install 'alexnet-tf[int4]'"
)


@needs_quantizer
@pytest.mark.parametrize("width, blockwise", [(1 / 8, True), (1 / 16, False)])  # fc6 has 32 and 16 inputs.
def test_int4_has_dense_layers_of_4_bits(width, blockwise):
    content = tflite.convert(_wider(width), "tflite_int4")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    kinds = {model.operatorCodes[op.opcodeIndex].builtinCode: op for op in model.subgraphs[0].operators}
    convolution, dense = (
        model.subgraphs[0].tensors[kinds[kind].inputs[1]]
        for kind in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED)
    )
    assert (convolution.type, dense.type) == (schema.TensorType.INT8, schema.TensorType.INT4)
    assert isinstance(dense.quantization.details, schema.BlockwiseQuantizationT) == blockwise
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt").decode().split() == list("abcdefghij")


@needs_quantizer
def test_int4_passes_the_parity_check(tmp_path):
    """At a size from which the quantizer stores weights behind the model."""
    (row,) = export(_wider(1 / 4), tmp_path / "out", ["tflite_int4"], images=helpers.figures(4, 67))
    assert row.relative_error < 0.4 and verify(tmp_path / "out")[0].passed
    assert open_export(tmp_path / "out" / "model_int4.tflite").class_names == tuple("abcdefghij")


def _wider(width):
    preset = get_preset("paper").widened(width).changed(Conv={"kernel_init": "he"}, Dense={"kernel_init": "he"})
    model = helpers.enliven(AlexNet(preset, input_shape=(67, 67, 3), classes=10))
    return KerasPredictor("paper", tuple("abcdefghij"), InputPreprocessing(76, 67, np.full(3, 127, np.float32)), model)


def test_full_int8_computes_in_integers():
    content = tflite.convert(_predictor(), "tflite_full_int8", IMAGES)
    interpreter = Interpreter(model_content=content)
    outputs = [o["outputs"][0] for o in interpreter._get_ops_details() if o["op_name"] == "CONV_2D"]
    dtypes = {d["index"]: d["dtype"] for d in interpreter.get_tensor_details()}
    assert len(outputs) == 5 and {dtypes[index] for index in outputs} == {np.int8}
    assert interpreter.get_input_details()[0]["dtype"] is np.uint8


def test_a_broken_conversion_leaves_the_previous_export(original, copied, tmp_path, monkeypatch):
    _, predictor = original
    before = (tmp_path / "out" / "model.tflite").read_bytes()
    broken = tflite.convert(helpers.narrow_predictor("paper"), "tflite")
    monkeypatch.setattr(tflite, "convert", lambda *_: broken)
    for out in ("out", "new"):
        with pytest.raises(ParityError, match="tflite differs"):
            export(predictor, tmp_path / out, ["tflite"], images=IMAGES)
    assert (tmp_path / "out" / "model.tflite").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_an_export_after_an_interrupted_one(copied, tmp_path):
    copied.rename(tmp_path / ".out.previous")
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "half.tflite").touch()
    with pytest.raises(ValueError, match="at least one image"):
        export(_predictor(), tmp_path / "out", ["tflite"], images=IMAGES[:0])
    assert (tmp_path / "out" / "model.tflite").is_file()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_directory_with_the_manifest_of_another_program_is_not_replaced(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(ValueError, match="out must be"):
        export(_predictor(), tmp_path, ["tflite"], images=IMAGES)
    assert (tmp_path / "manifest.json").is_file()


def test_bad_arguments(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(ValueError, match="formats must be"):
        export(None, tmp_path / "out", ["pickle"], images=IMAGES)
    with pytest.raises(ValueError, match="out must be"):
        export(None, tmp_path / "photos", ["tflite"], images=IMAGES)
    with pytest.raises(ValueError, match="model must be"):
        open_export(tmp_path)


@pytest.mark.parametrize("preset, fields, names", [
    ("four_layers", {}, ("pool3",)), ("paper", {"activation": "tanh"}, ("pool5", "fc7")),
])  # fmt: skip
def test_features_of_other_networks(preset, fields, names):
    recipe = get_recipe("demo", preset=preset, width=1 / 4, image_size=67, initialization="preset", **fields)
    preprocessing = InputPreprocessing(76, 67, np.zeros(3, np.float32))
    predictor = KerasPredictor("narrow", ("a", "b", "c"), preprocessing, build_model(recipe, 3))
    assert predictor.feature_names == names
    layers = predictor.layers(np.zeros([2, 67, 67, 3], np.uint8), ["logits", *names])
    assert layers["logits"].shape == (2, 3) and len(layers[names[0]].shape) == 4
