"""Lays an export out for TensorFlow Serving; needs tensorflow-serving-api.

python layout.py EXPORT OUT [--name=alexnet] [--version=1]
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import sys

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

# A single image, and batches like those of label_grpc.py: the first request of each batch size is slow.
WARM_UP_BATCHES = (1, 4, 16)
BATCHING = """\
# Batching parameters of tensorflow_model_server: requests that arrive together are computed together.

# Largest batch: two requests of 16 images, as label_grpc.py sends them. An image takes about half as long in batches of
# 16 or 32 as alone, no less in larger ones, which would only take memory.
max_batch_size { value: 32 }

# How long a request waits for others: a fraction of the time for one image, so that a single client hardly notices.
batch_timeout_micros { value: 5000 }

# Batches at the same time. Each uses all cores; a second one decodes images while the first one is in the network.
num_batch_threads { value: 2 }

# Full batches that may wait: some seconds of work. Further requests are refused at once (UNAVAILABLE): waiting
# images take memory, and another server may be free.
max_enqueued_batches { value: 8 }

# No allowed_batch_sizes: the network takes any number of images, and padding would decode one of them repeatedly.
"""


class Parser(argparse.ArgumentParser):
    """Reports errors in one line."""

    def error(self, message):
        sys.exit(f"error: {message}")


def main():
    """Writes the directory and prints the commands that start a server with it."""
    parser = Parser(description="Lays an export out for TensorFlow Serving.")
    parser.add_argument("export", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--name", default="alexnet", help="name by which clients request the model")
    parser.add_argument("--version", type=int, default=1, help="version; the server uses the highest")
    arguments = parser.parse_args()
    # The version is the name of a directory, and the name is part of a URL.
    if arguments.version < 1:
        parser.error(f"--version must be at least 1, got {arguments.version}")
    if not re.fullmatch(r"\w[\w.-]*", arguments.name, re.ASCII):
        parser.error(f"--name must consist of letters, digits, '_', '.' and '-', got {arguments.name!r}")
    try:
        lay_out(arguments.export, arguments.out.absolute(), arguments.name, arguments.version)
    except (OSError, ValueError, text_format.ParseError, tf.errors.OpError) as error:
        parser.error(" ".join(str(error).split()))
    print(commands(arguments.out.absolute()))


def lay_out(export, out, name, version):
    """Writes OUT/<name>/<version> under a temporary name first: a server that watches OUT never sees a part of it."""
    target = out / name / str(version)
    if target.exists():
        raise ValueError(f"{str(target)!r} exists already: give the new version a higher --version")
    for needed in (export / "saved_model" / "saved_model.pb", export / "test_image.png"):
        if not needed.is_file():
            raise ValueError(f"EXPORT must hold {needed.relative_to(export)}, got {str(export)!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not next to the versions, where the server would look.
    aside = out / f".{name}.{version}.partial"
    shutil.rmtree(aside, ignore_errors=True)  # Left by an interrupted run.
    try:
        shutil.copytree(export / "saved_model", aside, copy_function=link_or_copy)
        extra = aside / "assets.extra"
        extra.mkdir()
        write_warm_up(extra / "tf_serving_warmup_requests", export / "test_image.png", name)
        write_aside(out / "models.config", models_config(out, name))
        write_aside(out / "batching.config", BATCHING)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def link_or_copy(source, target):
    """Links the file, which needs no space, or copies it to another file system; exports are never changed in place."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_warm_up(file, image, name):
    """Writes the requests that the server runs before it accepts clients: the test image as PNG and as JPEG."""
    png = image.read_bytes()
    jpeg = tf.io.encode_jpeg(tf.io.decode_png(png, channels=3)).numpy()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for count in WARM_UP_BATCHES:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = "serving_default"
            images = [png if number % 4 == 0 else jpeg for number in range(count)]
            request.inputs["encoded"].CopyFrom(tf.make_tensor_proto(images, dtype=tf.string))
            writer.write(log.SerializeToString())


def models_config(out, name):
    """The text of models.config: the models that it has already, and this one."""
    config = model_server_config_pb2.ModelServerConfig()
    file = out / "models.config"
    if file.exists():
        text_format.Parse(file.read_text(), config)
    models = config.model_config_list.config
    model = next((model for model in models if model.name == name), None) or models.add(name=name)
    model.base_path = str(out / name)  # The server requires an absolute path.
    model.model_platform = "tensorflow"
    return text_format.MessageToString(config)


def write_aside(file, text):
    """Writes a file so that a server never reads a part of it."""
    aside = file.with_name(f".{file.name}.partial")
    aside.write_text(text)
    aside.replace(file)


def commands(out):
    """The command lines that start a server."""
    flags = [
        f"--model_config_file={out / 'models.config'}",
        "--enable_batching",
        f"--batching_parameters_file={out / 'batching.config'}",
    ]
    plain = ["tensorflow_model_server", "--port=8500", "--rest_api_port=8501", *flags]
    # Mounted under its path here, so that the paths in models.config are valid inside. The image sets the ports itself.
    volume = f"type=bind,source={out},target={out},readonly"
    docker = ["docker", "run", "--rm", "-p", "8500:8500", "-p", "8501:8501", "--mount", volume, "tensorflow/serving"]
    return f"{shlex.join(docker + flags)}\n\n{shlex.join(plain)}"


if __name__ == "__main__":
    main()
