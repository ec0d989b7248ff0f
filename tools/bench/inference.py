"""The suites `infer` (batches) and `latency` (one image)."""

import functools
import os
import pathlib

import numpy as np

from tools.bench import network
from tools.bench.report import Suite
from tools.bench.rounds import Contender, Probe, timed

# Images whose outputs are compared.
COMPARED = 8
# Largest relative differences of the outputs: in float32 from the order of operations, else from the rounded weights,
# which an untrained network suffers from more than a trained one.
FLOAT32, FLOAT16, INT8, INT4, FULL_INT8 = 1e-4, 1e-2, 0.1, 0.4, 0.4
_THREADS = os.cpu_count() or 1


def infer_suite(directory: pathlib.Path, batch: int) -> Suite:
    """Inference on batches in float32.

    Args:
        directory: of the exported network.
        batch: images in one call.
    """
    makers = {
        "ours, SavedModel": (_saved_model, {}, ""),
        "ours, SavedModel, TensorFlow's default settings": (_saved_model, {"tuned": False}, ""),
        "Keras layers, predict_on_batch": (_keras, {}, ""),
        "PyTorch, eager": (_torch, {"compiled": False}, "torch"),
        "PyTorch, torch.compile": (_torch, {"compiled": True}, "torch"),
        **_onnx_makers(),
    }
    contenders = [
        Contender(
            name, functools.partial(make, directory, batch=batch, **options), FLOAT32, package, network.FORWARD_GFLOP
        )
        for name, (make, options, package) in makers.items()
    ]
    return Suite(f"Inference, batches of {batch}", contenders, "ours, SavedModel")


def latency_suite(directory: pathlib.Path, compressed: pathlib.Path | None) -> Suite:
    """Inference on one image.

    Args:
        directory: of the exported network.
        compressed: an export of `alexnet-tf compress`, whose TFLite files are measured too; its outputs are not
            compared, because it is another network.
    """
    tflite = {
        "float32": ("model.tflite", FLOAT32),
        "float16": ("model_float16.tflite", FLOAT16),
        "int8": ("model_int8.tflite", INT8),
        "int4": ("model_int4.tflite", INT4),
        "full int8": ("model_full_int8.tflite", FULL_INT8),
    }
    ours = [
        _tflite_contender(f"ours, TFLite {name}", directory / file, bound) for name, (file, bound) in tflite.items()
    ]
    for file in sorted(compressed.glob("*.tflite")) if compressed else ():
        ours.append(_tflite_contender(f"ours, compressed, {file.name}", file, None))
    makers = {
        "ours, SavedModel": (_saved_model, {}, ""),
        "PyTorch, torch.compile": (_torch, {"compiled": True}, "torch"),
        **_onnx_makers(),
    }
    gigabytes = _gigabytes(directory / "model.tflite")
    others = [
        Contender(name, functools.partial(make, directory, batch=1, **options), FLOAT32, package, 0, gigabytes)
        for name, (make, options, package) in makers.items()
    ]
    baseline = "ONNX Runtime, ONNX's LRN"
    return Suite("One image; the limit is reading the weights", ours + others, baseline, milliseconds=True)


def _onnx_makers() -> dict:
    """The peers that read ONNX, each with two files: with our form of LRN, and with ONNX's operation."""
    files = {"our ONNX": "model.onnx", "ONNX's LRN": network.ONNX_LRN}
    peers = {"ONNX Runtime": (_onnxruntime, "onnxruntime"), "OpenVINO": (_openvino, "openvino")}
    return {
        f"{peer}, {form}": (make, {"file": file}, package)
        for peer, (make, package) in peers.items()
        for form, file in files.items()
    }


def _tflite_contender(name: str, path: pathlib.Path, bound: float | None) -> Contender:
    return Contender(name, functools.partial(_tflite, path), bound, gigabytes=_gigabytes(path))


def _gigabytes(path: pathlib.Path) -> float:
    return path.stat().st_size / 1e9


def _probe(predict, batch: int) -> Probe:
    """Of a function from uint8 (batch, 227, 227, 3) to probabilities."""
    count = max(batch, COMPARED)
    images = network.images(count)
    outputs = [predict(images[start : start + batch]) for start in range(0, count - batch + 1, batch)]
    steps = 12 if batch == 1 else 3
    return Probe(timed(lambda: predict(images[:batch]), batch, steps), np.concatenate(outputs)[:COMPARED])


def _tflite(path: pathlib.Path) -> Probe:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=_THREADS)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def predict(images: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source, images)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return _probe(predict, 1)


def _saved_model(directory: pathlib.Path, batch: int, tuned: bool = True) -> Probe:
    if tuned:
        import alexnet_tf  # noqa: F401 - before TensorFlow, whose settings it changes
    import tensorflow as tf

    loaded = tf.saved_model.load(str(directory / "saved_model"))
    # `loaded` must live as long as its functions, which do not keep its variables alive.
    return _probe(lambda images: loaded.signatures["pixels"](image=tf.constant(images))["probabilities"].numpy(), batch)


def _keras(directory: pathlib.Path, batch: int) -> Probe:
    from tools.bench.stock import stock_network

    model = stock_network(directory)
    return _probe(lambda images: model.predict_on_batch(images.astype(np.float32) - network.GRAY), batch)


def _torch(directory: pathlib.Path, batch: int, compiled: bool) -> Probe:
    from tools.bench import pytorch

    return _probe(functools.partial(pytorch.probabilities, pytorch.load(directory, compiled)), batch)


def _onnxruntime(directory: pathlib.Path, batch: int, file: str) -> Probe:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    session = onnxruntime.InferenceSession(str(directory / file), options, providers=["CPUExecutionProvider"])
    return _probe(lambda images: session.run(["probabilities"], {"image": images})[0], batch)


def _openvino(directory: pathlib.Path, batch: int, file: str) -> Probe:
    import openvino

    core = openvino.Core()
    model = core.read_model(directory / file)
    model.reshape([batch, *model.input(0).partial_shape[1:]])
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": _THREADS, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(model, "CPU", hints)
    return _probe(lambda images: compiled(images)["probabilities"], batch)
