"""Reads a corpus of hostile image files in every way in which this package reads images.

Each file goes through `predict`, a served SavedModel, `prepare` and the reading of training; it must be answered within
a time limit, by all alike, and in bounded memory.

python tools/hostile_corpus.py --count=1500
"""

import argparse
import collections
import pathlib
import resource
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

import alexnet_tf  # noqa: F401, I001 - before TensorFlow, which it sets up
import helpers
import hostile_images
import tensorflow as tf

from alexnet_tf.data import file_crop, images, prepare_images, prepare_options
from alexnet_tf.data.sources import Original
from alexnet_tf.exporting import saved_model

SECONDS = 2.0
MEMORY = 2 << 30


def readers(directory):
    """{name: function from a file's bytes to whether it was read}."""
    predictor = helpers.narrow_predictor("paper")
    saved_model.write(predictor, directory)
    served = tf.saved_model.load(directory).signatures["serving_default"]
    preparer = prepare_images.Preparer(prepare_options.PrepareOptions(size=76))
    resize_crop = images.ResizeCrop(76, 67)
    offset = tf.constant([0.3, 0.7])

    def predict(data):
        try:
            return predictor.predict(data).sum() > 0
        except ValueError as error:
            assert "Graph execution" not in str(error) and "\n" not in str(error), error
            return False

    def prepare(data):
        chunk = preparer([Original("file", 0, lambda: data)])
        for _, reason in chunk.skipped:
            assert "Graph execution" not in reason and len(reason) < 300, reason
        return bool(chunk.records)

    def train(data):
        try:
            return file_crop.crop_from_file(tf.constant(data), resize_crop, offset, exact=False).shape == (67, 67, 3)
        except tf.errors.InvalidArgumentError:
            return False

    return {
        "predict": predict, "prepare": prepare, "train": train,
        "serve": lambda data: served(encoded=tf.constant([data]))["labels"][0, 0].numpy() != b"invalid",
    }  # fmt: skip


def check(read, data, expectation):
    """Reads a file in every way; returns what is wrong with the answers, and the longest time in seconds."""
    answers, longest = {}, 0.0
    for name, reader in read.items():
        start = time.perf_counter()
        answers[name] = bool(reader(data))
        longest = max(longest, time.perf_counter() - start)
    wrong = []
    if longest > SECONDS:
        wrong.append(f"took {longest:.1f} s")
    # Training does not look beyond its crop, so it may not notice what was cut off.
    exact = {answer for name, answer in answers.items() if name != "train"}
    if len(exact) > 1 or (expectation != hostile_images.ANY and set(answers.values()) != {expectation == "good"}):
        wrong.append(f"{expectation}, answers {answers}")
    return wrong, longest


def main():
    """Prints the files that fail, and a summary; exits with 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1500, help="number of files")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failed, counts, slowest = 0, collections.Counter(), (0.0, "")
    with tempfile.TemporaryDirectory() as directory:
        read = readers(directory)
        check(read, helpers.noise_jpeg(0), "any")  # Traces the graphs.
        for name, data, expectation in hostile_images.corpus(arguments.count, arguments.seed):
            wrong, seconds = check(read, data, expectation)
            counts[expectation] += 1
            slowest = max(slowest, (seconds, name))
            if wrong:
                failed += 1
                print(f"{name} ({len(data)} bytes): {'; '.join(wrong)}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{sum(counts.values())} files ({dict(counts)}), {failed} failed; slowest {slowest[0]:.2f} s ({slowest[1]}); "
        f"memory {memory / 2**30:.2f} GiB"
    )
    sys.exit(1 if failed or memory > MEMORY else 0)


if __name__ == "__main__":
    main()
