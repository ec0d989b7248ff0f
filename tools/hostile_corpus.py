"""Reads corpora of damaged and hostile files: images, models, manifests, weights, prepared datasets and runs.

Each image goes through `predict`, a served SavedModel, `prepare` and the reading of training; it must be answered
within a time limit, by all alike, and in bounded memory. The other files are opened as the commands do it; see
`tests/corpora.py`.

python tools/hostile_corpus.py --count=1500 --saved=250
"""

import argparse
import collections
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

import alexnet_tf  # noqa: F401, I001 - before TensorFlow, which it sets up
import corpora
import helpers
import hostile_images
import model_corpus
import record_corpus
import run_corpus
import tensorflow as tf

from alexnet_tf.data import file_crop, images, prepare_images, prepare_options
from alexnet_tf.data.sources import Original
from alexnet_tf.exporting import saved_model

SECONDS = 2.0
GIGABYTES = 2.0


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
        # The processor's time, so that other programs do not count; where several threads work, the clock's.
        start, used = time.perf_counter(), time.process_time()
        answers[name] = bool(reader(data))
        longest = max(longest, min(time.perf_counter() - start, time.process_time() - used))
    wrong = []
    if longest > SECONDS:
        wrong.append(f"took {longest:.1f} s")
    # Training does not look beyond its crop, so it may not notice what was cut off.
    exact = {answer for name, answer in answers.items() if name != "train"}
    if len(exact) > 1 or (expectation != hostile_images.ANY and set(answers.values()) != {expectation == "good"}):
        wrong.append(f"{expectation}, answers {answers}")
    return wrong, longest


def read_images(count, seed):
    """Reads the images and prints those that fail, and a summary; returns whether all is well."""
    failed, counts, slowest = 0, collections.Counter(), (0.0, "")
    with tempfile.TemporaryDirectory() as directory:
        read = readers(directory)
        check(read, helpers.noise_jpeg(0), "any")  # Traces the graphs.
        for name, data, expectation in hostile_images.corpus(count, seed):
            wrong, seconds = check(read, data, expectation)
            counts[expectation] += 1
            slowest = max(slowest, (seconds, name))
            if wrong:
                failed += 1
                print(f"{name} ({len(data)} bytes): {'; '.join(wrong)}")
    gigabytes = corpora.peak_gigabytes()
    print(
        f"{sum(counts.values())} files ({dict(counts)}), {failed} failed; slowest {slowest[0]:.2f} s ({slowest[1]}); "
        f"memory {gigabytes:.2f} GB",
        flush=True,
    )
    return not failed and gigabytes <= GIGABYTES


def read_saved(module, count):
    """Opens the files of one of the other corpora and prints as `read_images` does; returns whether all is well."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        outcomes, failures, slowest, gigabytes = corpora.check(pathlib.Path(directory), {module: count})
    for row in failures:
        print(*row)
    print(
        f"{module.__name__}: {count} files ({dict(outcomes)}), {len(failures)} failed; slowest {slowest[4]:.2f} s "
        f"({slowest[1]}); memory {gigabytes:.2f} GB; {time.monotonic() - start:.0f} s",
        flush=True,
    )
    return not failures


def main():
    """Reads all corpora; exits with 1 if a file fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1500, help="number of images")
    parser.add_argument("--saved", type=int, default=250, help="number of files of each other kind")
    parser.add_argument("--seed", type=int, default=0, help="of the images")
    arguments = parser.parse_args()
    well = [read_images(arguments.count, arguments.seed)] if arguments.count else []
    if arguments.saved:
        well += [read_saved(module, arguments.saved) for module in (model_corpus, record_corpus, run_corpus)]
    sys.exit(0 if all(well) else 1)


if __name__ == "__main__":
    main()
