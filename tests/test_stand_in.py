"""What the stand-in for TensorFlow Serving answers and refuses."""

import base64
import json
import re
import shutil
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
import serving_app
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(server.grpc) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def test_the_warm_up_is_parsed_and_played(laid_out, server, stub):
    file = laid_out[0] / "narrow" / "10" / "assets.extra" / "tf_serving_warmup_requests"
    logs = map(prediction_log_pb2.PredictionLog.FromString, tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    requests = [log.predict_log.request for log in logs]
    assert [len(request.inputs["encoded"].string_val) for request in requests] == [1, 4, 16]
    for request in requests:
        assert "invalid" not in tf.make_ndarray(stub.Predict(request, timeout=60).outputs["labels"]).astype(str)
    assert server.log[0] == "narrow version 10: 3 warm-up requests played\n"


def test_a_damaged_warm_up_is_one_line(laid_out, tmp_path):
    shutil.copytree(laid_out[0] / "narrow" / "10", tmp_path / "narrow" / "1")
    (tmp_path / "narrow" / "1" / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no records" * 9)
    assert "record" in serving_app.failure(serving_app.STAND_IN, tmp_path, "--grpc_port=0", "--rest_port=0")


def test_errors_of_the_stand_in(tmp_path):
    options = ["--grpc_port=0", "--rest_port=0"]
    assert "no model's version" in serving_app.failure(serving_app.STAND_IN, tmp_path, *options)
    assert "No such file" in serving_app.failure(serving_app.STAND_IN, tmp_path / "none", *options)


def _request(values, dtype=tf.string, model="narrow", signature="serving_default", name="encoded", version=None):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version:
        request.model_spec.version.value = version
    request.inputs[name].CopyFrom(tf.make_tensor_proto(values, dtype))
    return request


def _claiming(dtype, sides):
    """A request of a few bytes that says it holds a large tensor."""
    request = _request([b"x"])
    proto = request.inputs["encoded"]
    proto.dtype = dtype
    proto.tensor_shape.Clear()
    for side in sides:
        proto.tensor_shape.dim.add(size=side)
    return request


@pytest.mark.parametrize(
    "request_, code, message",
    [
        (_request([b"x"], model="other"), "NOT_FOUND", "'other'"),
        (_request([b"x"], version=9), "NOT_FOUND", "version 9"),
        (_request([b"x"], model=""), "INVALID_ARGUMENT", "no model"),
        (_request([b"x"], signature="other"), "FAILED_PRECONDITION", "no signature 'other'"),
        (_request([b"x"], name="image"), "INVALID_ARGUMENT", "inputs must be .'encoded'.. Received: .'image'"),
        (_request([1], tf.uint8), "INVALID_ARGUMENT", "must be DT_STRING. Received: DT_UINT8"),
        (_request([[b"x"]]), "INVALID_ARGUMENT", "must have shape"),
        (_request(b"x"), "INVALID_ARGUMENT", "must have shape"),
        (_request([]), "INVALID_ARGUMENT", "at least one image"),
        (_claiming(7, [2**40]), "INVALID_ARGUMENT", "less than its shape"),
        (_claiming(7, [-1]), "INVALID_ARGUMENT", "less than its shape"),
        (_claiming(999, [1]), "INVALID_ARGUMENT", "Received: 999"),
    ],
)
def test_the_stand_in_refuses(stub, request_, code, message):
    with pytest.raises(grpc.RpcError) as error:
        stub.Predict(request_, timeout=60)
    assert error.value.code().name == code and re.search(message, error.value.details())


def test_the_newest_version_answers_and_tells_its_signatures(stub, photos):
    answer = stub.Predict(_request([photos[0].read_bytes()]), timeout=60)
    assert answer.model_spec.version.value == 10
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "narrow"
    answer = stub.GetModelMetadata(request, timeout=60)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.model_spec.version.value == 10 and answer.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "pixels", "features"} <= set(signatures.signature_def)
    assert list(signatures.signature_def["serving_default"].inputs) == ["encoded"]


def test_pixels_over_grpc_and_rest(server, stub, exported):
    pixels = tf.io.decode_png((exported[0] / "test_image.png").read_bytes()).numpy()
    expected = exported[1].probabilities(pixels[None])[0]
    answer = stub.Predict(_request(pixels[None], tf.uint8, signature="pixels", name="image"), timeout=60)
    np.testing.assert_allclose(tf.make_ndarray(answer.outputs["probabilities"])[0], expected, atol=1e-5)
    body = json.dumps({"signature_name": "pixels", "instances": [pixels.tolist()]})
    [row] = _post(f"{server.rest}/narrow:predict", body)["predictions"]
    np.testing.assert_allclose(row["probabilities"], expected, atol=1e-5)


def _post(url, body):
    with urllib.request.urlopen(urllib.request.Request(url, body.encode()), timeout=60) as response:
        return json.load(response)


_IMAGE = {"b64": base64.b64encode(b"not an image").decode()}


@pytest.mark.parametrize(
    "body",
    [
        "", "no json", "[]", "{}", "[" * 100_000, '{"instances": []}', '{"instances": {}}', '{"instances": [1]}',
        '{"instances": [[]]}', '{"instances": [{"b64": 1}]}', '{"instances": [{"b64": "&"}]}',
        json.dumps({"instances": [_IMAGE], "signature_name": "other"}),
        json.dumps({"instances": [_IMAGE], "signature_name": "pixels"}),
        json.dumps({"instances": [_IMAGE], "signature_name": []}),
        json.dumps({"instances": [[[300]]], "signature_name": "pixels"}),
    ],
)  # fmt: skip
def test_the_stand_in_refuses_over_rest(server, body):
    with pytest.raises(urllib.error.HTTPError) as error:
        _post(f"{server.rest}/narrow:predict", body)
    assert error.value.code == 400 and json.load(error.value)["error"]
