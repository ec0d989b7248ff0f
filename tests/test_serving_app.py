"""The programs for TensorFlow Serving, with the stand-in where the server would be."""

import concurrent.futures
import pathlib
import re
import shutil

import grpc
import numpy as np
import pytest
import serving_app
import test_hostile_files
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_proxy")]

hostile_files = test_hostile_files.folder


def _answers(text):
    """{file: [(label, score)]} of a client's lines."""
    found = {}
    for line in text.splitlines():
        file, label, score = line.split("\t")
        assert re.fullmatch(r"\d\.\d{6}", score)
        found.setdefault(file, []).append((label, float(score)))
    return found


def _check(found, encoded, predictor):
    """Compares five labels and scores with the network's own answer for an image file's bytes."""
    expected = predictor.predict(encoded)
    labels, scores = zip(*found, strict=True)
    assert labels[0] == predictor.class_names[expected.argmax()] and len(labels) == 5
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
    serving_app.run_here("layout.py", exported[0], tmp_path, "--name=other")
    config = text_format.Parse((tmp_path / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    assert [model.name for model in config.model_config_list.config] == ["narrow", "other"]


@pytest.mark.parametrize("app", ["label_grpc.py", "label_rest.py"])
def test_clients(server, exported, photos, app):
    found = _answers(serving_app.ran(app, *server.place_for(app), *photos))
    assert list(found) == [str(photo) for photo in photos]
    for photo in photos[:-1]:
        _check(found[str(photo)], photo.read_bytes(), exported[1])
    assert found[str(photos[-1])] == [("invalid", 0)] * 5


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["GRPC", "PHOTO"], "no such model .NOT_FOUND: .*'alexnet'"),
        (["127.0.0.1:1", "PHOTO"], "cannot be reached .*UNAVAILABLE"),
        (["GRPC", "PHOTO", "--model=narrow", "--deadline=0.0001"], "no response in time.*DEADLINE_EXCEEDED"),
        (["GRPC", "none.jpg", "--model=narrow"], "none.jpg: No such file"),
        (["GRPC", "PHOTO", "--batch=0"], "--batch must be at least 1"),
        (["GRPC"], "arguments are required: photos"),
    ],
)
def test_errors_over_grpc(server, photos, arguments, message):
    places = {"GRPC": server.grpc, "PHOTO": photos[0]}
    assert re.search(message, serving_app.failure("label_grpc.py", *(places.get(each, each) for each in arguments)))


def test_a_message_that_is_too_large_for_the_server(photos):
    small = grpc.server(concurrent.futures.ThreadPoolExecutor(1), options=[("grpc.max_receive_message_length", 1000)])
    service = prediction_service_pb2_grpc.PredictionServiceServicer()
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, small)
    port = small.add_insecure_port("127.0.0.1:0")
    small.start()
    assert "too large, try a smaller --batch (RESOURCE_EXHAUSTED" in serving_app.failure(
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
        (["http://GRPC/v1/models/narrow", "PHOTO"], "connection was lost|cannot be reached"),
        (["REST/narrow", "none.jpg"], "none.jpg: No such file"),
        (["localhost:8501", "PHOTO"], "usage: "),
        (["REST/narrow"], "usage: "),
    ],
)
def test_errors_over_rest(server, photos, arguments, message):
    places = {"GRPC": server.grpc, "REST": server.rest, "PHOTO": str(photos[0])}
    arguments = [re.sub("|".join(places), lambda found: places[found[0]], each) for each in arguments]
    assert re.search(message, serving_app.failure("label_rest.py", *arguments))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["EXPORT", "OUT", "--name=narrow", "--version=10"], "exists already"),
        (["OUT", "OUT", "--name=new"], "must hold saved_model/saved_model.pb"),
        (["EXPORT", "OUT", "--version=0"], "--version must be at least 1"),
        (["EXPORT", "OUT", "--version=one"], "invalid int"),
        (["EXPORT", "OUT", "--name=../up"], "--name must consist of"),
        (["EXPORT", "EXPORT/test_image.png"], "Not a directory"),
    ],
)
def test_errors_of_the_layout(laid_out, exported, arguments, message):
    before = sorted(laid_out[0].rglob("*"))
    places = {"EXPORT": str(exported[0]), "OUT": str(laid_out[0])}
    arguments = [re.sub("|".join(places), lambda found: places[found[0]], each) for each in arguments]
    assert re.search(message, serving_app.failure("layout.py", *arguments))
    assert sorted(laid_out[0].rglob("*")) == before


@pytest.mark.parametrize("app", ["label_grpc.py", "label_rest.py"])
def test_damaged_and_hostile_files(server, exported, hostile_files, app):
    files = sorted(hostile_files.rglob("*.jpg"))
    assert sum("good" not in file.name for file in files) >= 1000
    np.random.default_rng(0).shuffle(files)
    found = _answers(serving_app.ran(app, *server.place_for(app), *files))
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
