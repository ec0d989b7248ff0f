"""The C program that runs a TFLite file through LiteRT and prepares photographs itself."""

import pathlib
import shutil
import struct
import subprocess
import sys

import exif_layouts
import helpers
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.inference.exported import open_export

APP = pathlib.Path(__file__).resolve().parent.parent / "export" / "apps" / "litert_c"
COMPILES = shutil.which("make") and shutil.which("cc")
HAS_STB = any(pathlib.Path(root, "stb/stb_image.h").is_file() for root in ("/usr/include", "/usr/local/include"))

pytestmark = [
    pytest.mark.slow,
    helpers.requires(COMPILES, "no C compiler here; pip has none, and make apps insists on one"),
    helpers.requires(HAS_STB, "no stb_image.h here; make apps installs it"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program, compiled without a warning."""
    folder = tmp_path_factory.mktemp("built") / "litert_c"
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("label"))
    command = ["make", "-C", folder, f"PYTHON={sys.executable}"]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0 and "warning" not in built.stderr, built.stderr
    return folder / "label"


@pytest.fixture(scope="module")
def directory(exported):
    return exported[0]


def _answers(program, model, files):
    """{file: [(label, score)]} as the program prints it."""
    done = subprocess.run([program, model, *files], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert ("using model.tflite\n" in done.stderr) == model.is_dir()
    answers = {}
    for line in done.stdout.splitlines():
        file, label, score = line.split("\t")
        answers.setdefault(pathlib.Path(file), []).append((label, float(score)))
    assert list(answers) == files
    return answers


def _assert_close(answer, probabilities, class_names, tolerance):
    order = np.argsort(probabilities)[:-6:-1]
    assert answer[0][0] == class_names[order[0]]
    np.testing.assert_allclose([score for _, score in answer], probabilities[order], atol=tolerance)


def _pixels(seed, height, width):
    return tf.io.decode_jpeg(helpers.noise_jpeg(seed, height, width), dct_method="INTEGER_ACCURATE")


# Larger, smaller and equal to the size that is asked for; sides whose margins are odd one way, the other way and both.
SIZES = [(90, 121), (300, 160), (76, 76), (76, 95), (40, 61), (67, 201), (500, 7)]


@pytest.mark.parametrize("whole_export", [True, False])
def test_the_answers_are_the_packages_own(program, directory, tmp_path, whole_export):
    predictor = open_export(directory / "model.tflite")
    files = []
    for seed, size in enumerate(SIZES):
        files.append(tmp_path / f"{seed}.png")
        files[-1].write_bytes(tf.io.encode_png(_pixels(seed, *size)).numpy())
    answers = _answers(program, directory if whole_export else directory / "model.tflite", files)
    for file in files:
        _assert_close(answers[file], predictor.predict(file.read_bytes()), predictor.class_names, 1e-4)


def _with_exif(jpeg, orientation, order):
    """A JPEG file's bytes with an EXIF segment that holds the orientation behind another tag."""
    entries = struct.pack(f"{order}HHHIIHHIHHI", 2, 0x0100, 3, 1, 0, 0x0112, 3, 1, orientation, 0, 0)
    tiff = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8) + entries
    segment = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def test_photographs_are_set_upright(program, directory, tmp_path):
    predictor = open_export(directory / "model.tflite")
    jpeg = helpers.noise_jpeg(11, 90, 121)
    stored = _pixels(11, 90, 121).numpy()
    upright = [
        stored, stored[:, ::-1], stored[::-1, ::-1], stored[::-1],
        stored.swapaxes(0, 1), np.rot90(stored, -1), np.rot90(stored, 2).swapaxes(0, 1), np.rot90(stored),
    ]  # fmt: skip
    expected = [predictor.predict(tf.io.encode_png(image).numpy()) for image in upright]
    for order in "<>":
        files = [tmp_path / f"{orientation}.jpg" for orientation in range(1, 9)]
        for orientation, file in enumerate(files, 1):
            file.write_bytes(_with_exif(jpeg, orientation, order))
        answers = _answers(program, directory, files)
        for file, probabilities in zip(files, expected, strict=True):
            _assert_close(answers[file], probabilities, predictor.class_names, 0.03)
    differences = [np.abs(one - other).max() for i, one in enumerate(expected) for other in expected[:i]]
    assert min(differences) > 0.06, "this network would not notice a wrong turn"


def test_exif_is_found_where_pillow_finds_it(program, directory, tmp_path):
    predictor = open_export(directory / "model.tflite")
    files, expected = [], []
    for number, data in enumerate(exif_layouts.layouts(helpers.noise_jpeg(11, 90, 121)).values()):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(data)
        expected.append(predictor.predict(data))
    answers = _answers(program, directory, files)
    for file, probabilities in zip(files, expected, strict=True):
        _assert_close(answers[file], probabilities, predictor.class_names, 0.03)


def test_what_is_no_image_is_invalid(program, directory, tmp_path):
    jpeg = helpers.noise_jpeg(0)
    table = jpeg.index(b"\xff\xc4")
    contents = {
        "empty": b"",
        "text": b"This is no image.",
        "cut": jpeg[: len(jpeg) // 2],
        "crowded table": jpeg[: table + 5] + b"\xff" * 16 + jpeg[table + 21 :],
        "long segment": jpeg[: table + 2] + b"\xff\xff" + jpeg[table + 4 :],
        "slim": tf.io.encode_png(np.zeros((1, 101, 3), np.uint8)).numpy(),
        "enormous": tf.io.encode_png(np.zeros((1, 1, 3), np.uint8)).numpy().replace(b"\0\0\0\1" * 2, b"\0\1\0\0" * 2),
    }
    files = [tmp_path / name for name in contents]
    for file, content in zip(files, contents.values(), strict=True):
        file.write_bytes(content)
    files.append(tmp_path / "good")
    files[-1].write_bytes(jpeg)
    answers = _answers(program, directory, files)
    assert len(answers.pop(files[-1])) == 5
    assert set(map(tuple, answers.values())) == {(("invalid", 0.0),)}


def test_damaged_files_do_no_harm(program, directory, tmp_path):
    rng = np.random.default_rng(0)
    sources = [helpers.noise_jpeg(0), tf.io.encode_png(_pixels(0, 90, 80)).numpy()]
    files = []
    for number in range(200):
        damaged = np.frombuffer(sources[number % 2], np.uint8).copy()
        places = rng.integers(0, rng.choice([700, len(damaged)]), rng.integers(1, 9))
        damaged[places] = rng.integers(0, 256, len(places))
        files.append(tmp_path / f"{number:03}")
        files[-1].write_bytes(damaged.tobytes())
    answers = _answers(program, directory, files)
    assert {len(answer) for answer in answers.values()} <= {1, 5}


def test_errors_of_usage(program, directory, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(helpers.noise_jpeg(0))
    alone = tmp_path / "model.tflite"
    alone.write_bytes((directory / "model.tflite").read_bytes())
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.json").write_text('{"recommended_tflite": "../model.tflite"}')
    for arguments in (
        [], [directory], [tmp_path / "none", photo], [directory, tmp_path / "none.jpg"], [directory, tmp_path],
        [directory / "labels.txt", photo], [alone, photo], [other, photo],
    ):  # fmt: skip
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and not done.stdout
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
