"""Labels image files with a TensorFlow Serving server over gRPC; needs grpcio and tensorflow-serving-api.

python label_grpc.py HOST:PORT photo.jpg … [--model=alexnet] [--batch=16] [--deadline=60]
"""

import argparse
import pathlib
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

# Protocol buffers are limited to 2 GiB; the difference is for the fields around the images.
LARGEST_REQUEST = 2 * 10**9
# What the status codes mean here. A full queue is UNAVAILABLE as well; the details say so.
MEANINGS = {
    grpc.StatusCode.UNAVAILABLE: "the server cannot be reached or is overloaded",
    grpc.StatusCode.NOT_FOUND: "the server has no such model",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "the message is too large, try a smaller --batch",
    grpc.StatusCode.DEADLINE_EXCEEDED: "no response in time, try a longer --deadline",
}


class Parser(argparse.ArgumentParser):
    """Reports errors in one line."""

    def error(self, message):
        sys.exit(f"error: {message}")


def main():
    """Prints the five best labels of each file; the label of an undecodable file is invalid."""
    parser = Parser(description="Labels image files with a TensorFlow Serving server over gRPC.")
    parser.add_argument("server", metavar="HOST:PORT")
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--model", default="alexnet")
    parser.add_argument("--batch", type=int, default=16, help="images in a request")
    parser.add_argument("--deadline", type=float, default=60, help="seconds a request may take")
    arguments = parser.parse_args()
    if arguments.batch < 1:
        parser.error(f"--batch must be at least 1, got {arguments.batch}")
    with grpc.insecure_channel(arguments.server) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for start in range(0, len(arguments.photos), arguments.batch):
            part = arguments.photos[start : start + arguments.batch]
            try:
                response = stub.Predict(request_for(part, arguments.model), timeout=arguments.deadline)
            except OSError as error:
                parser.error(f"{error.filename}: {error.strerror}")
            except ValueError as error:
                parser.error(error)
            except grpc.RpcError as error:
                parser.error(f"{arguments.server}, model {arguments.model!r}: {explain(error)}")
            report(part, response)


def request_for(files, model):
    """A request with the bytes of the files, which the model decodes."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serving_default"
    images = [pathlib.Path(file).read_bytes() for file in files]
    if sum(map(len, images)) > LARGEST_REQUEST:
        raise ValueError(f"{len(files)} files are more than a message of 2 GB can hold, try a smaller --batch")
    request.inputs["encoded"].CopyFrom(tf.make_tensor_proto(images, dtype=tf.string))
    # The class indices are not needed.
    request.output_filter.extend(["labels", "scores"])
    return request


def explain(error):
    """One line that explains a gRPC error."""
    details = " ".join(error.details().split())
    return f"{MEANINGS.get(error.code(), 'the server refuses')} ({error.code().name}: {details})"


def report(files, response):
    """Prints the labels of each file."""
    labels, scores = (tf.make_ndarray(response.outputs[name]) for name in ("labels", "scores"))
    for file, best, values in zip(files, labels, scores, strict=True):
        for label, score in zip(best, values, strict=True):
            print(f"{file}\t{label.decode()}\t{score:.6f}")


if __name__ == "__main__":
    main()
