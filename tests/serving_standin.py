"""Stands in for tensorflow_model_server in tests, where there is none; needs grpcio and tensorflow-serving-api.

python tests/serving_standin.py MODELS_DIR [--grpc_port=8500] [--rest_port=8501]

It answers on this machine only. A port of 0 takes a free one; the ports are printed once clients are let in.
"""

import argparse
import base64
import binascii
import concurrent.futures
import http.server
import json
import math
import pathlib
import re
import sys
import threading

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

Code = grpc.StatusCode
# TensorFlow's errors have gRPC's numbers.
CODES = {code.value[0]: code for code in Code}
TYPES = {number: name for name, number in types_pb2.DataType.items()}
HTTP_STATUS = {Code.INVALID_ARGUMENT: 400, Code.FAILED_PRECONDITION: 400, Code.NOT_FOUND: 404, Code.UNIMPLEMENTED: 501}
# As the server has it: gRPC's own limit of 4 MB is one photograph.
LARGEST_MESSAGE = 2**31 - 1


class Failure(Exception):
    """An answer that is an error."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Model:
    """One version of a model, run in a session, as the server does it.

    Attributes:
        name, version: as clients know it.
        signatures: {name: SignatureDef}, all there are.
    """

    def __init__(self, name, directory):
        self.name, self.version, self._directory = name, int(directory.name), directory
        with tf.Graph().as_default():
            self._session = tf.compat.v1.Session()
            self.signatures = tf.compat.v1.saved_model.load(self._session, ["serve"], str(directory)).signature_def

    def warm_up(self):
        """Plays the recorded requests; returns how many there are."""
        file = self._directory / "assets.extra" / "tf_serving_warmup_requests"
        if not file.exists():
            return 0
        records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
        for record in records:
            self.predict(prediction_log_pb2.PredictionLog.FromString(record).predict_log.request)
        return len(records)

    def signature(self, name):
        """The SignatureDef with a name, which may be empty.

        Raises:
            KeyError: if there is none.
        """
        name = name or "serving_default"
        if name not in self.signatures:  # To ask for it would make an empty one.
            raise KeyError(name)
        return self.signatures[name]

    def predict(self, request):
        """From a PredictRequest to a PredictResponse."""
        try:
            signature = self.signature(request.model_spec.signature_name)
        except KeyError as error:
            raise Failure(Code.FAILED_PRECONDITION, f"the model has no signature {error}") from error
        if set(request.inputs) != set(signature.inputs):
            received = sorted(request.inputs)
            raise Failure(Code.INVALID_ARGUMENT, f"inputs must be {sorted(signature.inputs)}. Received: {received}")
        feeds = {info.name: array_of(name, request.inputs[name], info) for name, info in signature.inputs.items()}
        wanted = list(request.output_filter) or list(signature.outputs)
        if not set(wanted) <= set(signature.outputs):
            raise Failure(Code.INVALID_ARGUMENT, f"outputs are {sorted(signature.outputs)}. Received: {sorted(wanted)}")
        try:
            arrays = self._session.run([signature.outputs[name].name for name in wanted], feeds)
        except tf.errors.OpError as error:
            raise Failure(CODES[error.error_code], error.message) from error
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        response.model_spec.version.value = self.version
        for name, array in zip(wanted, arrays, strict=True):
            response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response


def array_of(name, proto, info):
    """An input's values, checked against the signature."""
    if proto.dtype != info.dtype:
        found = TYPES.get(proto.dtype, proto.dtype)
        raise Failure(Code.INVALID_ARGUMENT, f"input {name!r} must be {TYPES[info.dtype]}. Received: {found}")
    sides = [dimension.size for dimension in proto.tensor_shape.dim]
    # A few bytes can claim any shape: without this, memory would be taken for it.
    if min(sides, default=0) < 0 or math.prod(sides) > proto.ByteSize():
        raise Failure(Code.INVALID_ARGUMENT, f"input {name!r} holds less than its shape says: {sides}")
    if not tf.TensorShape(info.tensor_shape).is_compatible_with(sides):
        expected = tf.TensorShape(info.tensor_shape)
        raise Failure(Code.INVALID_ARGUMENT, f"input {name!r} must have shape {expected}. Received: {sides}")
    try:
        return tf.make_ndarray(proto)
    except (ValueError, TypeError, OverflowError) as error:
        raise Failure(Code.INVALID_ARGUMENT, f"input {name!r} cannot be read: {error}") from error


class Models:
    """The newest version of each model below a directory; {name: `Model`} behind the server's questions."""

    def __init__(self, directory):
        self._models = {}
        for base in sorted(directory.iterdir()):
            # As numbers: version 10 comes after 9.
            versions = [child for child in base.glob("*") if re.fullmatch(r"[0-9]+", child.name)]
            if versions:
                self._models[base.name] = Model(base.name, max(versions, key=lambda child: int(child.name)))
        if not self._models:
            raise OSError(f"there is no model's version below {str(directory)!r}")

    def __iter__(self):
        return iter(self._models.values())

    def find(self, spec):
        """The model that a ModelSpec asks for."""
        if not spec.name:
            raise Failure(Code.INVALID_ARGUMENT, "the request names no model")
        if spec.version_label:
            raise Failure(Code.INVALID_ARGUMENT, f"there is no version labeled {spec.version_label!r}")
        model = self._models.get(spec.name)
        if model is None or (spec.HasField("version") and spec.version.value != model.version):
            version = spec.version.value if spec.HasField("version") else "latest"
            raise Failure(Code.NOT_FOUND, f"nothing is served as model {spec.name!r}, version {version}")
        return model


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The server's own service, as far as it concerns SavedModels with tensors as inputs."""

    def __init__(self, models):
        self._models = models

    def Predict(self, request, context):
        """Runs a signature."""
        try:
            return self._models.find(request.model_spec).predict(request)
        except Failure as failure:
            context.abort(failure.code, str(failure))

    def GetModelMetadata(self, request, context):
        """Tells a model's version and signatures."""
        try:
            model = self._models.find(request.model_spec)
            if list(request.metadata_field) != ["signature_def"]:
                raise Failure(Code.INVALID_ARGUMENT, "metadata_field must be signature_def")
        except Failure as failure:
            context.abort(failure.code, str(failure))
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name, response.model_spec.version.value = model.name, model.version
        response.metadata["signature_def"].Pack(get_model_metadata_pb2.SignatureDefMap(signature_def=model.signatures))
        return response


class RestHandler(http.server.BaseHTTPRequestHandler):
    """POST /v1/models/<name>[/versions/<version>]:predict with "instances"; `server.models` is a `Models`."""

    def do_POST(self):
        """Answers with predictions or with an error."""
        try:
            status, answer = 200, {"predictions": self._predict()}
        except Failure as failure:
            status, answer = HTTP_STATUS.get(failure.code, 500), {"error": str(failure)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _predict(self):
        # Read even if nothing comes of it: a client that is still sending would see a broken connection.
        body = self.rfile.read(self._length())
        path = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/([0-9]{1,18}))?:predict", self.path)
        if not path:
            raise Failure(Code.INVALID_ARGUMENT, f"the stand-in does not know {self.path}")
        request = predict_pb2.PredictRequest()
        request.model_spec.name = path[1]
        if path[2]:
            request.model_spec.version.value = int(path[2])
        model = self.server.models.find(request.model_spec)
        fill_from_json(request, body, model)
        return rows_of(model.predict(request))

    def _length(self):
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,10}", length):
            raise Failure(Code.INVALID_ARGUMENT, f"Content-Length must be a number. Received: {length!r}")
        return int(length)


def fill_from_json(request, body, model):
    """Puts the signature and the instances of a JSON text into a PredictRequest."""
    try:
        document = json.loads(body)
        instances, request.model_spec.signature_name = document["instances"], document.get("signature_name", "")
        signature = model.signature(request.model_spec.signature_name)
        [(name, info)] = signature.inputs.items()
        if not isinstance(instances, list) or not instances:
            raise ValueError("instances must be a list that is not empty")
        values = [bytes_of(instance) for instance in instances] if info.dtype == types_pb2.DT_STRING else instances
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values, info.dtype))
    except KeyError as error:
        raise Failure(Code.INVALID_ARGUMENT, f"there is no {error}") from error
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise Failure(Code.INVALID_ARGUMENT, f"the request cannot be read: {error}") from error


def bytes_of(value):
    """The bytes that a JSON value stands for: a string, or {"b64": …}."""
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, dict) or set(value) != {"b64"}:
        raise ValueError('each of instances must be a string or {"b64": …}')
    try:
        return base64.b64decode(value["b64"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"b64 is not base64: {error}") from error


def rows_of(response):
    """A PredictResponse as JSON: for each row its value, or {output: value} if there are several outputs."""
    columns = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
    columns = {name: array if array.dtype != object else text_of(array) for name, array in columns.items()}
    lists = [array.tolist() for array in columns.values()]
    if len(lists) == 1:
        return lists[0]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def text_of(array):
    """An array of bytes as one of text, since JSON has no bytes."""
    return np.char.decode(array.astype(bytes), "utf-8")


def start_grpc(models, port):
    """Starts the gRPC server; returns it and its port."""
    # Without so_reuseport, a port that is taken is an error, not a choice between two servers by chance.
    options = [("grpc.max_receive_message_length", LARGEST_MESSAGE), ("grpc.so_reuseport", 0)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(models), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port


def start_rest(models, port):
    """Starts the HTTP server in a thread; returns its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), RestHandler)
    server.models = models
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def main():
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(description="Stands in for tensorflow_model_server in tests.")
    parser.add_argument("models_dir", type=pathlib.Path)
    parser.add_argument("--grpc_port", type=int, default=8500)
    parser.add_argument("--rest_port", type=int, default=8501)
    arguments = parser.parse_args()
    tf.get_logger().setLevel("ERROR")  # Loading a model into a session is called old-fashioned.
    try:
        models = Models(arguments.models_dir)
        for model in models:
            print(f"{model.name} version {model.version}: {model.warm_up()} warm-up requests played", flush=True)
        server, grpc_port = start_grpc(models, arguments.grpc_port)
        rest_port = start_rest(models, arguments.rest_port)
    except (OSError, RuntimeError, Failure, DecodeError, tf.errors.OpError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    print(f"gRPC on 127.0.0.1:{grpc_port}, REST on http://127.0.0.1:{rest_port}/v1/models", flush=True)
    try:
        server.wait_for_termination()
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
