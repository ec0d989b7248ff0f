"""Downloads of weights from a server on this machine that drops connections, lies, is slow, or has nothing."""

import hashlib
import http.server
import re
import threading
import time

import commands
import numpy as np
import pytest
from helpers import enliven

from alexnet_tf.errors import SaveError, UserError
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained import sources, transfer
from alexnet_tf.models.pretrained.download import UncheckedWarning, cache_directory, download
from alexnet_tf.models.pretrained.sources import PUBLISHED, Source, published_preset, source_of
from alexnet_tf.runs.source import source_fields

DATA = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


class _Server(http.server.ThreadingHTTPServer):
    """Serves `files`, {path: bytes}; a request is first offered to the next of `plans`, if there is one.

    A plan is a function of the request's handler that returns whether it has answered.
    """

    daemon_threads = True

    def handle_error(self, *_):
        """Clients close connections, as some tests make them do."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.plans, self.requests = {}, [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def source(self, path, digest=SHA256, *others, **fields):
        return Source(f"{self.url}{path}", digest, *others, **fields)


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):  # noqa: N802 - the name that http.server calls
        self.server.requests.append((self.path, self.headers.get("Range")))
        if self.server.plans and self.server.plans.pop(0)(self):
            return
        data = self.server.files.get(self.path)
        if data is None:
            return self.send_error(404)
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1]) if self.headers["Range"] else 0
        if start >= len(data):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.start_body(len(data) - start)
        self.wfile.write(data[start:])

    def start_body(self, length):
        self.send_header("Content-Length", str(length))
        self.end_headers()


def _drops_after(count):
    def plan(handler):
        start = int(re.search(r"\d+", handler.headers.get("Range", "0"))[0])
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        handler.start_body(len(DATA) - start)
        handler.wfile.write(DATA[start : start + count])
        handler.close_connection = True
        return True

    return plan


def _whole(data=DATA, pause=0.0):
    """Ignores `Range`, and pauses before each thousand bytes."""

    def plan(handler):
        handler.send_response(200)
        handler.start_body(len(data))
        for start in range(0, len(data), 1000):
            time.sleep(pause)
            handler.wfile.write(data[start : start + 1000])
        return True

    return plan


def _status(code):
    return lambda handler: handler.send_error(code) or True


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv(sources.MIRROR, raising=False)
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _visible():
    """The names in the cache, without locks."""
    return sorted(path.name for path in cache_directory().iterdir() if not path.name.endswith(".lock"))


def test_a_file_is_downloaded_once(server):
    server.files = {"/a/net.bin": DATA}
    for _ in range(2):
        file = download([server.source("/a/net.bin")], "imagenet")
        assert file == cache_directory() / "net.bin" and file.read_bytes() == DATA
    assert server.requests == [("/a/net.bin", None)] and _visible() == ["net.bin"]


def test_a_dropped_connection_is_resumed(server):
    server.files = {"/net.bin": DATA}
    server.plans = [_drops_after(100_000), _drops_after(0), _drops_after(150_000)]
    assert download([server.source("/net.bin")], "imagenet").read_bytes() == DATA
    assert [start for _, start in server.requests] == [None, "bytes=100000-", "bytes=100000-", "bytes=250000-"]


def test_a_later_download_continues_an_earlier_one_and_nothing_half_downloaded_is_used(server):
    server.files = {"/net.bin": DATA}
    server.plans = [_drops_after(70_000)] + [_drops_after(0)] * (transfer.ATTEMPTS - 1)
    with pytest.raises(UserError, match="net.bin: the connection was closed early"):
        download([server.source("/net.bin")], "imagenet")
    (partial,) = _visible()
    assert partial.startswith(".partial.")
    assert download([server.source("/net.bin")], "imagenet").read_bytes() == DATA
    assert server.requests[-1] == ("/net.bin", "bytes=70000-") and _visible() == ["net.bin"]


def test_a_server_that_cannot_resume_begins_anew(server):
    server.plans = [_drops_after(100_000), _whole()]
    assert download([server.source("/net.bin")], "imagenet").read_bytes() == DATA


def test_what_is_left_of_another_version_of_the_file_is_replaced(server):
    server.files = {"/net.bin": DATA}
    cache_directory().mkdir()
    for rest in (b"other" * 100, DATA + b"longer"):
        (cache_directory() / f".partial.{SHA256[:16]}.net.bin").write_bytes(rest)
        assert download([server.source("/net.bin")], "imagenet").read_bytes() == DATA
        (cache_directory() / "net.bin").unlink()


def test_sources_are_tried_in_their_order(server):
    server.files = {"/wrong/net.bin": b"x" * len(DATA), "/right/net.bin": DATA, "/never/net.bin": DATA}
    names = ["/missing/net.bin", "/wrong/net.bin", "/right/net.bin", "/never/net.bin"]
    assert download([server.source(name) for name in names], "imagenet").read_bytes() == DATA
    assert [path for path, _ in server.requests] == names[:3] and _visible() == ["net.bin"]


def test_a_wrong_file_is_never_kept(server):
    server.files = {"/net.bin": DATA[:-1] + b"?"}
    digest = hashlib.sha256(server.files["/net.bin"]).hexdigest()
    with pytest.raises(UserError, match=f"it sent another file, with sha256 {digest} instead of sha256 {SHA256}"):
        download([server.source("/net.bin")], "imagenet")
    assert _visible() == []


def test_a_damaged_file_in_the_cache_is_downloaded_again(server):
    cache_directory().mkdir()
    (cache_directory() / "net.bin").write_bytes(DATA[:1000])
    with pytest.raises(UserError, match="net.bin: damaged, or another file; .*404 Not Found"):
        download([server.source("/net.bin")], "imagenet")
    server.files = {"/net.bin": DATA}
    assert download([server.source("/net.bin")], "imagenet").read_bytes() == DATA


@pytest.mark.parametrize(
    "plans, problem",
    [
        ([_status(503)] * transfer.ATTEMPTS, "503 Service Unavailable"),
        ([_status(403)], "403 Forbidden"),
        ([_whole(DATA * 2)], "it has a file of 600,000 bytes instead of 300,000"),
        ([_whole(pause=0.2)], "it sends less than 10,000 bytes a second"),
    ],
)
def test_what_a_server_may_do(server, plans, problem, monkeypatch):
    monkeypatch.setattr(transfer, "SLOW_SECONDS", 0.5)
    server.plans = list(plans)
    start = time.monotonic()
    with pytest.raises(UserError, match=re.escape(problem)):
        download([server.source("/net.bin", size=len(DATA))], "imagenet")
    assert time.monotonic() - start < 5 and not server.plans


def test_a_server_that_hangs(server, monkeypatch):
    monkeypatch.setattr(transfer, "TIMEOUT", 0.2)
    server.files = {"/net.bin": DATA}
    server.plans = [lambda handler: time.sleep(1) or True]
    assert download([server.source("/net.bin")], "imagenet").read_bytes() == DATA


def test_files_without_a_declared_size(server, monkeypatch):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        for start in range(0, len(DATA), 1000):
            handler.wfile.write(DATA[start : start + 1000])
        return True

    server.plans = [endless]
    with pytest.raises(UserError, match="it does not say how long the file is"):
        download([server.source("/net.bin", digest="")], "imagenet")
    monkeypatch.setattr(transfer, "MAX_BYTES", 100_000)
    server.plans = [endless]
    with pytest.raises(UserError, match="it sends more than 100,000 bytes"):
        download([server.source("/net.bin")], "imagenet")
    server.files = {"/net.bin": DATA}
    with pytest.raises(UserError, match="it has a file of 300,000 bytes, more than 100,000"):
        download([server.source("/net.bin")], "imagenet")


def test_two_at_once_download_one_file(server):
    server.plans = [_whole(pause=0.001)]
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(download([server.source("/net.bin")], "imagenet").read_bytes()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [DATA] * 3 and len(server.requests) == 1


def test_offline_there_is_one_message_with_three_ways(server):
    server.shutdown()
    server.server_close()
    start = time.monotonic()
    with pytest.raises(UserError) as raised:
        download([server.source("/net.bin", size=300_000), server.source("/old.bin", "12ab", "sha1")], "imagenet")
    message = str(raised.value)
    assert "weights='imagenet' cannot be downloaded" in message and "Connection refused" in message
    assert f"The file is net.bin (300,000 bytes, sha256 {SHA256}) or old.bin (sha1 that begins with 12ab)." in message
    assert f"from {server.url}/net.bin, and pass its path as weights; or put it into {cache_directory()}; or set " in (
        message
    )
    assert sources.MIRROR in message and "\n" not in message and time.monotonic() - start < 2
    # The second way.
    (cache_directory() / "net.bin").write_bytes(DATA)
    assert download([server.source("/net.bin")], "imagenet") == cache_directory() / "net.bin"


def test_a_cache_that_cannot_be_written(server, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", "/proc/nowhere")
    with pytest.raises(SaveError, match="must be writable for downloads.*Set KERAS_HOME"):
        download([server.source("/net.bin")], "imagenet")


def test_a_mirror_takes_the_place_of_the_hosts(server, monkeypatch):
    monkeypatch.setenv(sources.MIRROR, f"{server.url}/mirror/")
    server.files = {"/mirror/models/net.bin": DATA}
    assert download([Source("https://weights.example/models/net.bin", SHA256)], "imagenet").read_bytes() == DATA
    server.files = {"/mirror/owner/name/resolve/main/sub/net.bin": DATA}
    assert download([source_of(f"hf://owner/name/sub/net.bin#sha256={SHA256}")], "hf://…").read_bytes() == DATA
    monkeypatch.setenv(sources.MIRROR, "file:///etc")
    with pytest.raises(UserError, match="ALEXNET_TF_MIRROR must be an address that begins with https:// or http://"):
        download([Source("https://weights.example/models/other.bin", SHA256)], "imagenet")


def test_published_sources():
    assert set(PUBLISHED) == {"caffe", "caffenet", "torchvision"}
    for preset, listed in PUBLISHED.items():
        # https first, Hugging Face or PyTorch's own host; the weaker sums last.
        assert [source.algorithm for source in listed] == sorted((s.algorithm for s in listed), reverse=True)
        assert listed[0].url.startswith("https://")
        for source in listed:
            assert len(source.digest) == {"sha1": 40, "sha256": 64}[source.algorithm]
            assert published_preset(f"/home/me/{source.file}") == published_preset(source.url) == preset
    assert published_preset("net.onnx") is None
    assert published_preset("https://other.example/bvlcalexnet-12.onnx#sha256=00") == "caffe"


def test_addresses():
    source = source_of("hf://owner/na.me@v1/a b/net.onnx")
    assert source.url == "https://huggingface.co/owner/na.me/resolve/v1/a%20b/net.onnx" and source.digest == ""
    assert source_of("https://host/net.pth?raw=1#sha256=" + SHA256.upper()).digest == SHA256
    assert source_of("https://host/net.pth?raw=1").file == "net.pth"
    for address, rule in {
        "ftp://host/net.pth": "must be https://HOST/FILE or hf://OWNER/REPOSITORY/FILE",
        "file:///etc/passwd": "must be https://",
        "hf://owner/net.pth": "must be https://",
        "https://host": "must be https://",
        "https://host/net.pth#sha256=12": "must end in #sha256= and 64 hexadecimal digits",
        "https://host/net.pth#md5=12": "must end in #sha256=",
        "http://host/net.pth": "from http:// must end in #sha256=",
    }.items():
        with pytest.raises(UserError, match=rule):
            source_of(address)


def test_a_redirection_from_https_to_http_is_not_followed():
    request = transfer.urllib.request.Request("https://host/net.pth")
    with pytest.raises(transfer.SourceError, match="which is not https"):
        transfer._StaySecure().redirect_request(request, None, 302, "", {}, "http://host/net.pth")


@pytest.fixture
def weights(server, tmp_path):
    """The bytes of a narrow network's weights, served as /net.weights.h5."""
    model = enliven(_narrow())
    model.save_weights(tmp_path / "net.weights.h5")
    server.files["/net.weights.h5"] = (tmp_path / "net.weights.h5").read_bytes()
    return model, hashlib.sha256(server.files["/net.weights.h5"]).hexdigest()


def _narrow(**arguments):
    return AlexNet(get_preset("caffe").widened(1 / 16), input_shape=(67, 67, 3), classes=10, **arguments)


def test_weights_from_an_address(server, weights):
    model, digest = weights
    loaded = _narrow(weights=f"{server.url}/net.weights.h5#sha256={digest}")
    np.testing.assert_array_equal(loaded.get_layer("fc8").kernel, model.get_layer("fc8").kernel)
    with pytest.raises(UserError, match=f"sha256 {digest} instead of sha256 0000"):
        _narrow(weights=f"{server.url}/net.weights.h5#sha256={'0' * 64}")


def test_weights_without_a_sum_are_loaded_with_a_warning_that_prints_it(server, weights, monkeypatch):
    model, digest = weights
    monkeypatch.setenv(sources.MIRROR, server.url)
    server.files["/o/r/resolve/main/net.weights.h5"] = server.files["/net.weights.h5"]
    address = "hf://o/r/net.weights.h5"
    with pytest.warns(UncheckedWarning, match=re.escape(f"write {address}#sha256={digest}")):
        loaded = _narrow(weights=address)
    np.testing.assert_array_equal(loaded.get_layer("fc8").kernel, model.get_layer("fc8").kernel)


def test_an_address_of_another_format_is_refused_before_the_download(server):
    with pytest.raises(UserError, match="weights must .*net.zip"):
        _narrow(weights=f"{server.url}/net.zip#sha256={SHA256}")
    assert server.requests == []


def test_imagenet_takes_whichever_source_answers(server, weights, monkeypatch):
    _, digest = weights
    listed = (server.source("/gone.onnx"), server.source("/net.weights.h5", digest))
    monkeypatch.setitem(PUBLISHED, "caffe", listed)
    _narrow(weights="imagenet")
    assert [path for path, _ in server.requests] == ["/gone.onnx", "/net.weights.h5"]


def test_the_command_line_says_it_in_one_line(server, tmp_path):
    server.shutdown()
    server.server_close()
    out = tmp_path / "net.weights.h5"
    environment = {"KERAS_HOME": str(tmp_path), sources.MIRROR: server.url}
    done = commands.run("weights", "--from=imagenet", "--preset=caffe", f"--out={out}", environment=environment)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("error: weights='imagenet' cannot be downloaded (http://127.0.0.1")
    assert "bvlcalexnet-12.onnx (243,863,787 bytes, sha256 6b0da9510f27f234" in line


def test_a_run_can_be_fine_tuned_from_an_address():
    assert source_fields("hf://onnxmodelzoo/legacy_models/a/bvlcalexnet-12.onnx", None, {}) == {"preset": "caffe"}
    assert source_fields("https://host/net.onnx", None, {"preset": "paper"}) == {}
    with pytest.raises(UserError, match="preset must be given for weights='https://host/net.onnx'"):
        source_fields("https://host/net.onnx", None, {})
