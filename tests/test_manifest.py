"""The checked reader of an export's manifest: one clear error for whatever a file may say."""

import copy
import json

import pytest

from alexnet_tf.errors import UserError
from alexnet_tf.inference.manifest import read_manifest

GOOD = {
    "format_version": 1,
    "classes": ["cat", "dog"],
    "resize": 256,
    "crop": 227,
    "parity": [{"format": "tflite", "relative_error": 1e-7}],
    "test": {"image": "test_image.png", "labels": ["dog", "cat"], "probabilities": [0.75, 0.25]},
    "files": {"model.tflite": {"sha256": "0" * 64, "bytes": 5}},
}


def _write(directory, fields):
    (directory / "manifest.json").write_text(json.dumps(fields))
    return directory


def test_a_good_manifest(tmp_path):
    manifest = read_manifest(_write(tmp_path, GOOD))
    assert manifest.class_names == ("cat", "dog") and manifest.formats == ("tflite",)
    assert (manifest.preprocessing.resize, manifest.preprocessing.crop, manifest.preprocessing.mean) == (256, 227, None)
    assert manifest.test.labels == ("dog", "cat") and manifest.test.probabilities == (0.75, 0.25)
    assert manifest.sha256 == {"model.tflite": "0" * 64}


def test_a_missing_manifest(tmp_path):
    with pytest.raises(UserError, match="must hold an export: it has no manifest.json"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff\xfe", '{"format_version": 1', '{"name": "a web page"}'])
def test_another_file(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="manifest.json' (is not valid JSON|must have format_version 1)"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_an_unknown_version(tmp_path, version):
    with pytest.raises(UserError, match=f"must have format_version 1.*{version}"):
        read_manifest(_write(tmp_path, {**GOOD, "format_version": version}))


WHOLE = "a whole number from 1 to"


@pytest.mark.parametrize(
    "path, value, rule",
    [
        ("resize", None, f"resize must be {WHOLE} 1024, got None"),
        ("resize", "256", f"resize must be {WHOLE} 1024"),
        ("resize", True, f"resize must be {WHOLE} 1024"),
        ("resize", 256.0, f"resize must be {WHOLE} 1024"),
        ("resize", 10**9, f"resize must be {WHOLE} 1024, got 1000000000"),
        ("resize", 0, f"resize must be {WHOLE} 1024"),
        ("crop", 257, f"crop must be {WHOLE} 256, got 257"),
        ("crop", -1, f"crop must be {WHOLE} 256"),
        ("classes", [], "classes must be a list of 1 to 100000 strings"),
        ("classes", {"cat": 0}, "classes must be a list of"),
        ("classes", ["cat", 1], "classes must be a list of"),
        ("parity", {}, "parity must be a list of objects"),
        ("parity", [], "parity must be a list of at least one format"),
        ("classes", ["\x1b[31mred", 1], r"got ['\x1b[31mred', 1]"),
        ("classes", ["\x1b[31mred", "dog"], r"names of classes must be printable, got '\x1b[31mred'"),
        ("resize", 10**400, f"resize must be {WHOLE} 1024, got 1000"),
        ("resize", 30_000, f"resize must be {WHOLE} 1024, got 30000"),
        ("parity", [{"format": 1}], "parity: format must be a string"),
        ("test", None, "test must be an object"),
        ("test.image", "../secret.png", "test: image must be a path inside the export"),
        ("test.image", "/etc/passwd", "test: image must be a path inside the export"),
        ("test.labels", ["bird", "cat"], "test: labels must be some of the classes"),
        ("test.probabilities", [0.5], "test: probabilities must be one number for each label"),
        ("test.probabilities", [float("nan"), 0.5], "test: probabilities must be a list of numbers from 0 to 1"),
        ("test.probabilities", [1e9, 0.5], "test: probabilities must be a list of numbers from 0 to 1"),
        ("test.probabilities", ["1", 0.5], "test: probabilities must be a list of numbers from 0 to 1"),
        ("test.probabilities", [0, 0], "test: probabilities must be greater than 0 for the first label"),
        ("files", [], "files must be an object"),
        ("files", {"model.tflite": {"sha256": "0"}}, "sha256 must be 64 hexadecimal digits"),
        ("files", {"../model.tflite": {"sha256": "0" * 64}}, "files: path must be inside the export"),
    ],
)
def test_wrong_types_and_absurd_values(tmp_path, path, value, rule):
    fields = copy.deepcopy(GOOD)
    *outer, name = path.split(".")
    target = fields[outer[0]] if outer else fields
    target[name] = value
    with pytest.raises(UserError) as raised:
        read_manifest(_write(tmp_path, fields))
    assert rule in str(raised.value) and "\n" not in str(raised.value)


def test_files_that_are_no_text(tmp_path):
    file = tmp_path / "manifest.json"
    file.write_text("[" * 200_000)
    with pytest.raises(UserError, match="is not valid JSON"):
        read_manifest(tmp_path)
    file.write_text('{"format_version": 1, "resize": 1' + "0" * 5000 + "}")
    with pytest.raises(UserError, match="is not valid JSON: Exceeds the limit"):
        read_manifest(tmp_path)
    with open(file, "wb") as opened:
        opened.truncate(10**12)  # Takes no space on the disk.
    with pytest.raises(UserError, match="must have at most 16,000,000 bytes, got 1,000,000,000,000"):
        read_manifest(tmp_path)
    file.unlink()
    for make in (file.mkdir, lambda: file.symlink_to("/dev/zero"), lambda: file.symlink_to("nowhere")):
        make()
        with pytest.raises(UserError, match="must hold an export: it has no manifest.json"):
            read_manifest(tmp_path)
        file.rmdir() if file.is_dir() else file.unlink()
