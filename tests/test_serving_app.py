"""The programs for TensorFlow Serving, with the stand-in where the server would be."""

import base64
import concurrent.futures
import json
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
import tensorflow as tf
import test_hostile_files
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

APP = pathlib.Path(__file__).resolve().parent.parent / "export" / "apps" / "serving"
# Servers listen on this machine; a proxy in between is none of these tests' business.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_proxy")]

hostile_files = test_hostile_files.folder


@pytest.fixture(scope="module")
def no_proxy():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        yield


def _ran(app, *arguments):
    """What a program printed that should go well."""
    done = subprocess.run([sys.executable, APP / app, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run_here(app, *arguments):
    """Runs a program in this process, which has loaded TensorFlow already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [app, *map(str, arguments)])
        runpy.run_path(str(APP / app), run_name="__main__")


def _failure(app, *arguments):
    """The line that a program ends with."""
    with pytest.raises(SystemExit) as ended:
        _run_here(app, *arguments)
    # Python prints a text that a program ends with on stderr, and its exit code is 1.
    assert ended.value.code.startswith("error: ") and "\n" not in ended.value.code
    return ended.value.code


@pytest.fixture(scope="module")
def laid_out(exported, tmp_path_factory):
    """A directory with versions 9 and 10, of which 9 cannot be loaded; and what was said when 10 was laid out."""
    out = tmp_path_factory.mktemp("models")
    said = _ran("layout.py", exported[0], out, "--name=narrow", "--version=10")
    _run_here("layout.py", exported[0], out, "--name=narrow", "--version=9")
    (out / "narrow" / "9" / "saved_model.pb").unlink()
    return out, said


class Server:
    """A stand-in in a process of its own.

    Attributes:
        grpc: "host:port".
        rest: URL that a model's name belongs to.
        log: what it said at its start.
        process: Popen.
    """

    def __init__(self, models, errors):
        command = [sys.executable, APP / "standin.py", models, "--grpc_port=0", "--rest_port=0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.log = []
        for line in self.process.stdout:
            self.log.append(line)
            if ready := re.fullmatch(r"gRPC on (\S+), REST on (\S+)\n", line):
                self.grpc, self.rest = ready.groups()
                return
        raise RuntimeError(f"the stand-in ended with {self.process.wait()}")

    def place_for(self, app):
        """A client's first arguments."""
        return [self.grpc, "--model=narrow", "--batch=5"] if app == "label_grpc.py" else [f"{self.rest}/narrow"]

    def peak(self):
        """Its largest memory so far, in kB."""
        return int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1])


@pytest.fixture(scope="module")
def server(laid_out, tmp_path_factory):
    with (tmp_path_factory.mktemp("log") / "errors").open("w") as errors:
        server = Server(laid_out[0], errors)
        yield server
        server.process.terminate()
        server.process.wait(timeout=30)


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(server.grpc) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def _answers(text):
    """{file: [(label, score)]} of a client's lines."""
    found = {}
    for line in text.splitlines():
        file, label, score = line.split("\t")
        assert re.fullmatch(r"\d\.\d{6}", score)
        found.setdefault(file, []).append((label, float(score)))
    return found


def _check(found, encoded, runner):
    """Compares five labels and scores with the network's own answer for an image file's bytes."""
    expected = runner.classify(encoded)
    labels, scores = zip(*found, strict=True)
    assert labels[0] == runner.class_names[expected.argmax()] and len(labels) == 5
    np.testing.assert_allclose(scores, np.sort(expected)[:-6:-1], atol=1e-5)


def test_layout(laid_out, exported):
    out, said = laid_out
    model, version = exported[0] / "saved_model", out / "narrow" / "10"
    for file in filter(pathlib.Path.is_file, model.rglob("*")):
        assert (version / file.relative_to(model)).samefile(file)
    assert sorted(path.name for path in out.iterdir()) == ["batching.config", "models.config", "narrow"]
    config = text_format.Parse((out / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    [model] = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("narrow", str(out / "narrow"), "tensorflow")
    docker, plain = said.strip().split("\n\n")
    assert "docker run" in docker and f"source={out},target={out}" in docker
    assert plain.startswith("tensorflow_model_server --port=8500 --rest_api_port=8501")
    for command in (docker, plain):
        assert f"--enable_batching --batching_parameters_file={out}/batching.config" in command


def test_the_batching_parameters_are_the_servers(laid_out):
    lines = (laid_out[0] / "batching.config").read_text().splitlines()
    values = [line for line in lines if line and not line.startswith("#")]
    names = {"max_batch_size", "batch_timeout_micros", "num_batch_threads", "max_enqueued_batches"}
    assert {re.fullmatch(r"(\w+) { value: \d+ }", line)[1] for line in values} == names


def test_a_second_model_is_added(laid_out, exported, tmp_path):
    shutil.copy(laid_out[0] / "models.config", tmp_path)
    _run_here("layout.py", exported[0], tmp_path, "--name=other")
    config = text_format.Parse((tmp_path / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    assert [model.name for model in config.model_config_list.config] == ["narrow", "other"]


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
    assert "record" in _failure("standin.py", tmp_path, "--grpc_port=0", "--rest_port=0")


@pytest.mark.parametrize("app", ["label_grpc.py", "label_rest.py"])
def test_clients(server, exported, photos, app):
    found = _answers(_ran(app, *server.place_for(app), *photos))
    assert list(found) == [str(photo) for photo in photos]
    for photo in photos[:-1]:
        _check(found[str(photo)], photo.read_bytes(), exported[1])
    assert found[str(photos[-1])] == [("invalid", 0)] * 5


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["GRPC", "PHOTO"], "no such model .NOT_FOUND: .*'alexnet'"),
        (["127.0.0.1:1", "PHOTO"], "cannot be reached .*UNAVAILABLE"),
        (["GRPC", "PHOTO", "--model=narrow", "--deadline=0.0001"], "no answer in time.*DEADLINE_EXCEEDED"),
        (["GRPC", "none.jpg", "--model=narrow"], "none.jpg: No such file"),
        (["GRPC", "PHOTO", "--batch=0"], "--batch must be at least 1"),
        (["GRPC"], "arguments are required: photos"),
    ],
)
def test_errors_over_grpc(server, photos, arguments, message):
    places = {"GRPC": server.grpc, "PHOTO": photos[0]}
    assert re.search(message, _failure("label_grpc.py", *(places.get(each, each) for each in arguments)))


def test_a_message_that_is_too_large_for_the_server(photos):
    small = grpc.server(concurrent.futures.ThreadPoolExecutor(1), options=[("grpc.max_receive_message_length", 1000)])
    service = prediction_service_pb2_grpc.PredictionServiceServicer()
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, small)
    port = small.add_insecure_port("127.0.0.1:0")
    small.start()
    assert "too large, try a smaller --batch (RESOURCE_EXHAUSTED" in _failure(
        "label_grpc.py", f"127.0.0.1:{port}", photos[0]
    )
    small.stop(None)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["REST/alexnet", "PHOTO"], "refuses .404: .*'alexnet'"),
        (["http://127.0.0.1:1/v1/models/alexnet", "PHOTO"], "cannot be reached .*refused"),
        (["REST/narrow/versions/9", "PHOTO"], "refuses .404"),
        (["REST/narrow/labels/stable", "PHOTO"], "refuses .400"),
        (["http://GRPC/v1/models/narrow", "PHOTO"], "connection broke|cannot be reached"),
        (["REST/narrow", "none.jpg"], "none.jpg: No such file"),
        (["localhost:8501", "PHOTO"], "usage: "),
        (["REST/narrow"], "usage: "),
    ],
)
def test_errors_over_rest(server, photos, arguments, message):
    places = {"GRPC": server.grpc, "REST": server.rest, "PHOTO": str(photos[0])}
    arguments = [re.sub("|".join(places), lambda found: places[found[0]], each) for each in arguments]
    assert re.search(message, _failure("label_rest.py", *arguments))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["EXPORT", "OUT", "--name=narrow", "--version=10"], "exists already"),
        (["OUT", "OUT", "--name=new"], "must hold saved_model/saved_model.pb"),
        (["EXPORT", "OUT", "--version=0"], "--version must be at least 1"),
        (["EXPORT", "OUT", "--version=one"], "invalid int"),
        (["EXPORT", "OUT", "--name=../up"], "--name must be"),
        (["EXPORT", "EXPORT/test_image.png"], "Not a directory"),
    ],
)
def test_errors_of_the_layout(laid_out, exported, arguments, message):
    before = sorted(laid_out[0].rglob("*"))
    places = {"EXPORT": str(exported[0]), "OUT": str(laid_out[0])}
    arguments = [re.sub("|".join(places), lambda found: places[found[0]], each) for each in arguments]
    assert re.search(message, _failure("layout.py", *arguments))
    assert sorted(laid_out[0].rglob("*")) == before


def test_errors_of_the_stand_in(tmp_path):
    options = ["--grpc_port=0", "--rest_port=0"]
    assert "no model's version" in _failure("standin.py", tmp_path, *options)
    assert "No such file" in _failure("standin.py", tmp_path / "none", *options)


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
    expected = exported[1].classify_pixels(pixels)
    answer = stub.Predict(_request(pixels[None], tf.uint8, signature="pixels", name="image"), timeout=60)
    np.testing.assert_allclose(tf.make_ndarray(answer.outputs["probabilities"])[0], expected, atol=1e-5)
    body = json.dumps({"signature_name": "pixels", "instances": [pixels.tolist()]})
    [row] = _post(f"{server.rest}/narrow:predict", body)["predictions"]
    np.testing.assert_allclose(row["probabilities"], expected, atol=1e-5)


def _post(url, body):
    with urllib.request.urlopen(urllib.request.Request(url, body.encode()), timeout=60) as response:
        return json.load(response)


_IMAGE = {"b64": base64.b64encode(b"no image").decode()}


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


@pytest.mark.parametrize("app", ["label_grpc.py", "label_rest.py"])
def test_damaged_and_hostile_files(server, exported, hostile_files, app):
    files = sorted(hostile_files.rglob("*.jpg"))
    assert sum("good" not in file.name for file in files) >= 1000
    np.random.default_rng(0).shuffle(files)
    found = _answers(_ran(app, *server.place_for(app), *files))
    assert list(found) == [str(file) for file in files]
    for file in files:
        answer = found[str(file)]
        if answer == [("invalid", 0)] * 5:
            assert "good" not in file.name
        else:
            assert "good" in file.name or "flipped" in file.name
            _check(answer, file.read_bytes(), exported[1])
    assert server.process.poll() is None
    # TensorFlow alone takes 0.6 GB; a single image of 30,000 by 30,000 pixels would be 2.7 GB.
    print(f"the server's peak: {server.peak() / 2**20:.2f} GiB")
    assert server.peak() < 2**21
