"""Runs every program of export/apps on the same images and compares their predictions with this package's.

Installs what they need: a virtual environment without this package, Node's modules, and, as root on Debian, Chromium
and the headers of stb if they are missing. Nothing is skipped: a program that cannot be run has failed.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf.cli.startup import tf  # noqa: E402
from alexnet_tf.data import shapes  # noqa: E402
from alexnet_tf.exporting.formats import FORMATS  # noqa: E402
from alexnet_tf.runs.opening import open_predictor  # noqa: E402
from alexnet_tf.runs.recipes import get_recipe  # noqa: E402
from alexnet_tf.training.loop import train_and_evaluate  # noqa: E402

APPS = pathlib.Path(__file__).resolve().parent.parent / "export" / "apps"
# For each format, the largest difference of a program's probabilities from this package's with the same file, relative
# to the largest probability. Steps of 8 bits make differences in rounding large.
BOUNDS = {
    "saved_model": 1e-4, "onnx": 1e-4, "tflite": 1e-4, "tflite_float16": 1e-3, "tflite_int8": 2e-2, "tflite_int4": 2e-2,
    "tflite_full_int8": 1e-1,
}  # fmt: skip
# The largest change of a probability that another JPEG decoder than libjpeg may cause.
DECODER_BOUND = 1e-2
TOP = 5


# A JPEG segment with one EXIF tag: orientation 6, a rotation by 90 degrees.
ROTATED = bytes.fromhex("ffe10022 457869660000 49492a0008000000 0100 1201 0300 01000000 06000000 00000000")


@dataclasses.dataclass(frozen=True)
class App:
    """A program.

    Attributes:
        name: of the program.
        format: that it runs.
        command: to which the image files are added.
        decoder_bound: change of a probability that its image decoder may cause.
        says: text that it must print to stderr.
    """

    name: str
    format: str
    command: list
    decoder_bound: float = 0.0
    says: str = ""


def main():
    """Prints a line for each program; the exit code is 1 if one failed or predicts differently."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("apps"), help="directory for all files")
    parser.add_argument("--export", type=pathlib.Path, help="an export to use; trains and exports one if not given")
    parser.add_argument("--images", type=pathlib.Path, help="a directory of images; 20 generated shapes if not given")
    options = parser.parse_args()
    out, start = options.out.absolute(), time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    print(f"This installs and writes about 5 GB below {out}; `make clean` removes it.", flush=True)
    directory = (options.export or _export(out / "run", out / "export")).absolute()
    images = sorted(options.images.absolute().iterdir()) if options.images else _draw_images(out / "images")
    text = out / "text.jpg"
    text.write_text("This is not an image.\n")
    python = _install(out)
    predictions = functools.cache(lambda name: _predictions(directory / FORMATS[name].file, images))
    good = True
    heads = f"{'same top-1':>11}{'largest error':>15}{'bound':>9}{'ms an image':>13}{'seconds':>9}"
    print(f"\n{'program':<28}{'format':<18}{heads}", flush=True)
    with _server(directory, out, python) as address:
        for app in _apps(directory, out, python, address):
            expected, begun = predictions(app.format), time.monotonic()
            try:
                answers, milliseconds = _answers([*app.command, *map(str, expected), str(text)], app.says)
                same, error = _compare(answers, expected, str(text))
            except _Failed as failure:
                good = False
                print(f"{app.name:<28}{app.format:<18}failed: {failure}", flush=True)
                continue
            bound = BOUNDS[app.format] + app.decoder_bound
            good = good and same == len(expected) and error <= bound
            seconds = time.monotonic() - begun
            counted = f"{same}/{len(expected)}"
            numbers = f"{counted:>11}{error:>15.1e}{bound:>9.0e}{milliseconds:>13}{seconds:>9.1f}"
            print(f"{app.name:<28}{app.format:<18}{numbers}", flush=True)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file() and not file.is_symlink())
    print(f"\n{time.monotonic() - start:.0f} s, {size / 1e9:.1f} GB; pictures of the web page: {out / 'screenshots'}")
    return 0 if good else 1


class _Failed(Exception):
    """A program failed or printed something unexpected."""


def _export(workdir, out):
    """Trains the network of the demo recipe and exports it with its errors, unless that is done already."""
    if not out.is_dir():
        train_and_evaluate(get_recipe("demo"), workdir)
        command = [sys.executable, "-m", "alexnet_tf", "export", f"--model={workdir}", f"--out={out}"]
        subprocess.run([*command, f"--formats={','.join(BOUNDS)}"], check=True)
    return out


def _predictions(model, images):
    """{file: {label: probability}}, as this package reads an exported file."""
    predictor = open_predictor(model)
    return {
        str(image): dict(zip(predictor.class_names, predictor.predict(image.read_bytes()), strict=True))
        for image in images
    }


def _draw_images(folder):
    """Twenty held-out figures as files of several kinds, sizes and orientations."""
    folder.mkdir(exist_ok=True)
    for index in range(20):
        pixels, _ = shapes.draw(0, "validation", index)
        size = [(256, 256), (300, 400), (256, 341), (480, 333)][index % 4]
        pixels = tf.cast(tf.clip_by_value(tf.image.resize(pixels, size, "bicubic"), 0, 255), tf.uint8)
        jpeg = tf.io.encode_jpeg(pixels, quality=92).numpy()
        png = tf.io.encode_png(pixels).numpy()
        kinds = [("png", png), ("jpg", jpeg), ("jpg", jpeg[:2] + ROTATED + jpeg[2:]), ("png", png), ("jpg", jpeg)]
        suffix, data = kinds[index % len(kinds)]
        (folder / f"figure{index:02}.{suffix}").write_bytes(data)
    return sorted(folder.iterdir())


def _install(out):
    """Installs and builds what the programs need; returns the Python of their virtual environment."""
    environment = out / "venv"
    python = environment / "bin" / "python"
    wanted, installed = APPS / "requirements.txt", environment / "installed.txt"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        _do(sys.executable, "-m", "venv", environment)
        _do(python, "-m", "pip", "install", "-q", "-r", wanted)
        shutil.copyfile(wanted, installed)
    missing = [] if shutil.which(os.environ.get("CHROMIUM", "chromium")) else ["chromium"]
    missing += [] if pathlib.Path("/usr/include/stb/stb_image.h").exists() else ["libstb-dev"]
    if missing:
        _do("apt-get", "install", "-y", "-q", "--no-install-recommends", *missing)
    for folder in ("node", "web"):
        _do("npm", "ci", "--no-audit", "--no-fund", "--prefix", APPS / folder)
    for folder in ("c", "litert_c"):
        _do("make", "-s", "-C", APPS / folder, f"PYTHON={python}")
    return python


def _do(*command):
    command = [str(part) for part in command]
    print("+", " ".join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}\nerror: {' '.join(command)} ended with exit code {done.returncode}")


@contextlib.contextmanager
def _server(directory, out, python):
    """Serves the export with a stand-in for TensorFlow Serving; yields the addresses of gRPC and REST."""
    models = out / "models"
    shutil.rmtree(models, ignore_errors=True)
    _do(python, APPS / "serving" / "layout.py", directory, models)
    server = APPS.parent.parent / "tests" / "serving_standin.py"
    command = [python, "-u", server, models, "--grpc_port=0", "--rest_port=0"]
    with (
        open(out / "server.log", "w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if addresses := re.search(r"gRPC on (\S+), REST on (\S+)", line):
                    yield addresses.groups()
                    return
            sys.exit(f"error: the server did not start: {''.join(lines)}; see {log.name}")
        finally:
            process.terminate()


def _apps(directory, out, python, address):
    grpc, rest = address
    of_python = lambda name: [python, APPS / "python" / f"label_{name}.py"]  # noqa: E731
    node = ["node", APPS / "node" / "label.mjs"]
    browser = ["node", APPS / "web" / "drive.mjs"]
    litert_c = APPS / "litert_c" / "label"
    recommended = json.loads((directory / "manifest.json").read_text())["recommended_tflite"]
    yield App("Python, TensorFlow", "saved_model", [*of_python("tensorflow"), directory])
    yield App("C, TensorFlow", "saved_model", [APPS / "c" / "label", directory])
    yield App("gRPC", "saved_model", [python, APPS / "serving" / "label_grpc.py", grpc])
    yield App("REST", "saved_model", [python, APPS / "serving" / "label_rest.py", f"{rest}/alexnet"])
    yield App("Python, ONNX Runtime", "onnx", [*of_python("onnx"), directory / FORMATS["onnx"].file])
    for kind in BOUNDS:
        if not kind.startswith("tflite"):
            continue
        name = FORMATS[kind].file
        # All of them find the recommended file in the export themselves.
        file, says = (directory, name) if name == recommended else (directory / name, "")
        yield App("Python, LiteRT", kind, [*of_python("litert"), file], says=says)
        yield App("Python, MediaPipe", kind, [*of_python("mediapipe"), file], says=says)
        yield App("C, LiteRT", kind, [litert_c, file], DECODER_BOUND, says)
        yield App("Node, LiteRT.js", kind, [*node, file], says=says)
        screenshots = f"--screenshots={out / 'screenshots' / kind}"
        yield App("browser, threads", kind, [*browser, file, screenshots], says="threads)")
        yield App("browser, one thread", kind, [*browser, file, "--one-thread"], says="1 thread)")
    file = directory / FORMATS["tflite_int8"].file
    yield App("browser, WebGPU", "tflite_int8", [*browser, file, "--webgpu"], says="GPU")


def _answers(command, says):
    """The output of a program as {file: [(label, score)]}, and the time for an image that it prints to stderr."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise _Failed(f"exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    if says not in done.stderr:
        raise _Failed(f"does not say {says!r}: {done.stderr}")
    answers = {}
    for line in done.stdout.splitlines():
        file, label, score = line.split("\t")
        answers.setdefault(file, []).append((label, float(score)))
    time_of_image = re.search(r"(\S+)\sms an image", done.stderr)
    return answers, time_of_image[1] if time_of_image else "-"


def _compare(answers, expected, text):
    """The number of files with the same top-1 label, and the largest difference relative to the largest probability."""
    if {label for label, _ in answers.pop(text, [])} != {"invalid"}:
        raise _Failed("the label of a text file is not invalid")
    if answers.keys() != expected.keys() or any(len(rows) != TOP for rows in answers.values()):
        raise _Failed(f"not {TOP} labels for each image")
    # Labels with the same probability, as integers give them, may come in any order.
    same = sum(expected[file][rows[0][0]] == max(expected[file].values()) for file, rows in answers.items())
    differences = [
        abs(score - expected[file][label]) / max(expected[file].values())
        for file, rows in answers.items()
        for label, score in rows
    ]
    return same, max(differences)


if __name__ == "__main__":
    sys.exit(main())
