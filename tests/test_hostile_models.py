"""Model files that are damaged, that point elsewhere, or whose numbers are not numbers."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import commands
import h5py
import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf import stderr_filter
from alexnet_tf.errors import SaveError, UserError
from alexnet_tf.exporting.export import export
from alexnet_tf.exporting.verification import verify
from alexnet_tf.inference.exported import open_export
from alexnet_tf.inference.manifest import CARD, MANIFEST
from alexnet_tf.inference.saving import save_errors
from alexnet_tf.models.pretrained import h5_layout
from alexnet_tf.models.pretrained.keras_h5 import read_weights_h5
from alexnet_tf.models.pretrained.load import read_weights
from alexnet_tf.runs import layout
from alexnet_tf.runs.run import load_run

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 67, 67, 3)).astype(np.uint8)
KERNEL = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)


def _h5(path, fill, kernel=KERNEL):
    """A `.weights.h5` file with the layers conv1 and conv2; `fill(group)` writes the arrays of conv2."""
    with h5py.File(path, "w") as file:
        for number, name in enumerate(("conv1", "conv2")):
            group = file.create_group(f"layers/{name}/vars")
            group.attrs["name"] = name
            if number:
                fill(group)
            else:
                group["0"] = kernel
    return path


def _external_storage(group, secret):
    group.create_dataset("0", (2, 2), "f4", external=[(str(secret), 0, 16)])


def _virtual(group, secret):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "x", (4,))
    group.create_virtual_dataset("0", layout)


def _external_link(group, secret):
    group["0"] = h5py.ExternalLink(str(secret), "/x")


def _soft_link(group, secret):
    group["0"] = h5py.SoftLink("/layers/conv1/vars/0")


def _compressed(group, secret):
    group.create_dataset("0", data=np.zeros((64, 64), np.float32), compression="gzip")


@pytest.mark.parametrize(
    "fill, rule",
    [
        (_external_storage, "has its numbers in another file, which is not opened"),
        (_virtual, "that are not stored in one piece"),
        (_external_link, "vars/0 is a link, which is not followed"),
        (_soft_link, "vars/0 is a link, which is not followed"),
        (_compressed, "declares 16384 bytes that are not stored in one piece"),
    ],
)
def test_an_h5_file_opens_no_other(tmp_path, fill, rule):
    secret = tmp_path / "secret"
    os.mkfifo(secret)  # Opening it would wait for a writer forever.
    path = _h5(tmp_path / "net.weights.h5", lambda group: fill(group, secret))
    with pytest.raises(UserError, match=f"weights must be a complete .weights.h5 file.*{rule}"):
        read_weights(path)


def test_an_h5_file_whose_arrays_share_their_bytes(tmp_path):
    def fill(group):
        for number in range(1000):
            group[str(number)] = group.file["layers/conv1/vars/0"]

    path = _h5(tmp_path / "net.weights.h5", fill, np.zeros((64, 64, 4, 4), np.float32))
    with pytest.raises(UserError, match="declares more bytes than the [0-9]+ of the file"):
        read_weights(path)


def test_an_h5_file_that_the_library_does_not_survive(tmp_path, monkeypatch):
    path = _h5(tmp_path / "net.weights.h5", lambda group: None)
    assert len(read_weights_h5(path).layers) == 1
    script = tmp_path / "script.py"
    monkeypatch.setattr(h5_layout, "__file__", str(script))
    for code, rule in (("os.abort()", "did not survive it"), ("raise SystemExit('bad\\nheap')", "got '.*': bad heap$")):
        script.write_text(f"import os; {code}")
        with pytest.raises(UserError, match=rule):
            read_weights_h5(path)


def test_weights_must_be_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.weights.h5")
    for path in (tmp_path / "pipe.weights.h5", tmp_path / "zero.pth"):
        if path.name == "zero.pth":
            path.symlink_to("/dev/zero")
        with pytest.raises(UserError, match="weights must be a readable file, got .*: it is not a regular file"):
            read_weights(path)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_weights_that_are_not_finite_are_named(tmp_path, value):
    kernel = KERNEL.copy()
    kernel[0, 0, 0, 0] = value
    path = _h5(tmp_path / "net.weights.h5", lambda group: None, kernel)
    with pytest.raises(UserError, match="weights must be finite, got 1 NaN or infinite .* kernel of layer 'conv1'"):
        read_weights(path)


def test_a_checkpoint_that_is_not_finite_is_refused(run_and_export, tmp_path):
    shutil.copytree(run_and_export / "run", tmp_path / "run")
    model = load_run(run_and_export / "run").model
    bias = model.get_layer("fc7").bias
    bias.assign(np.full(bias.shape, np.nan, np.float32))
    tf.train.Checkpoint(model=model).write(str(tmp_path / "run" / layout.CHECKPOINTS / "ckpt-9"))
    with pytest.raises(UserError, match="weights must be finite, got 256 NaN or infinite .* bias of layer 'fc7'"):
        load_run(tmp_path / "run")


@pytest.fixture
def out(run_and_export, tmp_path):
    """A copy of the export."""
    return shutil.copytree(run_and_export / "out", tmp_path / "out")


def _edit(out, change):
    """Changes the manifest's fields."""
    fields = json.loads((out / "manifest.json").read_text())
    change(fields)
    (out / "manifest.json").write_text(json.dumps(fields))


def test_verify_accepts_what_export_wrote(out):
    (out / "model_card.md").write_text("Written anew by hand.")
    assert all(result.passed for result in verify(out))


@pytest.mark.parametrize(
    "change, rule",
    [
        (lambda out: _edit(out, lambda fields: fields.update(files={})), "unchanged, got not listed: 'labels.txt', "),
        (lambda out: _edit(out, lambda fields: fields["files"].pop("model.onnx")), "got not listed: 'model.onnx'$"),
        (lambda out: (out / "readme.txt").write_text(""), "got not listed: 'readme.txt'$"),
        (lambda out: (out / "saved_model" / ".x").write_text(""), "got not listed: 'saved_model/.x'$"),
        (lambda out: os.mkfifo(out / "pipe"), "got not listed: 'pipe'$"),
        (lambda out: (out / "link").symlink_to("/"), "got not listed: 'link'$"),
        (lambda out: (out / "labels.txt").unlink(), "got missing: 'labels.txt'$"),
        (lambda out: (out / "labels.txt").write_text("dog\n"), "got changed: 'labels.txt'$"),
        (lambda out: _edit(out, lambda fields: fields.update(parity=[])), "parity must be a list of at least one"),
        (lambda out: _edit(out, lambda fields: fields["parity"].pop()), "the files of the formats .*got .*model.onnx"),
        (lambda out: _edit(out, lambda fields: fields["parity"].append({"format": "x"})), "formats among .*, got x$"),
        (lambda out: _edit(out, lambda fields: fields["test"].update(image="manifest.json")), "list the test image"),
    ],
)
def test_verify_wants_exactly_the_files_of_the_manifest(out, change, rule):
    change(out)
    with pytest.raises(UserError, match=rule) as raised:
        verify(out)
    assert "\n" not in str(raised.value)


def test_verify_names_every_file_with_a_flipped_bit(out):
    rng, files = random.Random(0), sorted(path for path in out.rglob("*") if path.is_file())
    assert len(files) > 8
    for file in files:
        before = file.read_bytes()
        for _ in range(3 * (file.name not in (MANIFEST, CARD))):
            data = bytearray(before)
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            file.write_bytes(data)
            with pytest.raises(UserError, match=f"changed: '{file.relative_to(out)}'$"):
                verify(out)
        file.write_bytes(before)
    assert all(result.passed for result in verify(out))


PATHS = ("", "saved_model", "model.tflite", "model.onnx")


@pytest.mark.parametrize("path", PATHS)
def test_a_manifest_of_other_sizes_than_the_network(out, path):
    _edit(out, lambda fields: fields.update(crop=66))
    with pytest.raises(UserError, match=r"must take uint8 images \(batch, 66, 66, 3\) .*manifest says, got uint8 .*67"):
        open_export(out / path)
    _edit(out, lambda fields: fields.update(crop=67, classes=[*fields["classes"], "third"]))
    with pytest.raises(UserError, match=r"probabilities \(batch, 3\), as its manifest says, got .* 2\)$"):
        open_export(out / path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
def test_garbage_with_the_right_sum(out, path, content):
    file = out / path if "." in path else out / "saved_model" / "saved_model.pb"
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    _edit(out, lambda fields: fields["files"][file.relative_to(out).as_posix()].update(sha256=digest))
    with pytest.raises(UserError, match="model must be an? (SavedModel of an export|TFLite file|ONNX file)") as raised:
        open_export(out / path)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("path", PATHS)
def test_a_changed_file_is_refused_before_a_runtime_meets_it(out, path):
    file = out / path if "." in path else out / "saved_model" / "variables" / "variables.index"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match="changed: 'variables/variables.index'|differs from the file that the manifest"):
        open_export(out / path)


def test_a_renamed_file_beside_its_manifest_is_opened(out):
    (out / "model.tflite").rename(out / "cats.tflite")
    assert open_export(out / "cats.tflite").class_names == ("dark", "light")


@pytest.mark.parametrize("formats, name", [("saved_model", "out"), ("tflite", "new"), ("onnx", "out")])
def test_an_export_that_cannot_be_written(run_and_export, out, formats, name):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    flags = (f"--model={run_and_export / 'run'}", f"--out={out.parent / name}", f"--formats={formats}")
    done = commands.run("export", *flags, file_size=100_000)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("error: ") and "cannot be written: " in line, done.stderr
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert not (out.parent / "new").exists()


@pytest.mark.parametrize("name", ["x.weights.h5", "x.safetensors", "x.onnx"])
def test_weights_that_cannot_be_written(run_and_export, tmp_path, name):
    (tmp_path / name).write_text("old")
    flags = (f"--from={run_and_export / 'run'}", f"--out={tmp_path / name}")
    done = commands.run("weights", *flags, file_size=50_000)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: "), done.stderr
    assert "cannot be written: " in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / name).read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_errors_of_tensorflows_writer_are_save_errors(tmp_path):
    predictor = helpers.narrow_predictor("paper")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="out must be in a directory that can be written to"):
        export(predictor, tmp_path / "file" / "out", ["saved_model"], images=IMAGES)
    for error in (tf.errors.ResourceExhaustedError(None, None, "No space left"), OSError(27, "File too large")):
        with pytest.raises(SaveError, match="'x' cannot be written: (No space left|File too large)"), save_errors("x"):
            raise error


NO_TEMPORARY_DIRECTORY = """
import os, sys, tempfile
tempfile._candidate_tempdir_list = lambda: []
os.environ["TMPDIR"] = "/nowhere"
from alexnet_tf import stderr_filter
stderr_filter._MEMORY = "/nowhere"
del os.memfd_create
from alexnet_tf.cli.main import main
sys.exit(main())
"""


def test_labeling_without_a_temporary_directory(run_and_export, photos):
    photo = photos[0]
    arguments = ("predict", f"--model={run_and_export / 'out' / 'model.tflite'}", "--top=1", str(photo))
    command = [sys.executable, "-c", NO_TEMPORARY_DIRECTORY, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith(f"{photo}: "), done.stderr
    assert "no writable temporary directory, without which only labeling works" in done.stderr


def test_files_in_memory_are_the_temporary_directory_where_there_is_no_other(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [])
    monkeypatch.setattr(stderr_filter, "_MEMORY", str(tmp_path))
    stderr_filter._ensure_temporary_directory()
    assert tempfile.gettempdir() == str(tmp_path)


def test_probabilities_that_are_not_numbers():
    predictor = helpers.narrow_predictor("paper")
    bias = predictor.model.get_layer("fc8").bias
    bias.assign(np.full(bias.shape, np.nan, np.float32))
    with pytest.raises(UserError, match="'paper' gives probabilities that are not numbers: its weights are damaged"):
        predictor.predict(helpers.noise_jpeg(0, 90, 120))
