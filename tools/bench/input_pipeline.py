"""Measures the input pipeline with full augmentation against its peers, and training with it against one batch.

python tools/benchmark_input.py --photos=DIR
"""

import argparse
import functools
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import alexnet_tf  # noqa: E402, F401, I001 - before TensorFlow, whose settings it changes
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from alexnet_tf.data import datasets, images, pipeline, shapes, statistics  # noqa: E402
from alexnet_tf.data.augmentation import Augmentation  # noqa: E402
from alexnet_tf.data.network_input import network_input  # noqa: E402
from alexnet_tf.data.prepare import prepare  # noqa: E402
from alexnet_tf.data.prepare_options import PrepareOptions  # noqa: E402
from tools.benchmark_step import BATCH as TRAINING_BATCH  # noqa: E402
from tools.benchmark_step import paper_step, timed  # noqa: E402
from tools.rounds import medians  # noqa: E402

BATCH, WARM_UP, ROUNDS = 128, 4, 3
SIZES = images.ResizeCrop(256, 227)
MEAN = np.array([123.0, 117.0, 104.0], np.float32)
REPEATS = 10  # Of each photograph, so that a round is long enough.


def main():
    """Prints a table of images per second, and one of the training throughput."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photos", type=pathlib.Path, help="directory of JPEG files; drawings of 500 by 375 pixels if not given"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = _folder(arguments.photos, scratch)
        for image_format in ("jpeg", "raw"):
            options = PrepareOptions(format=image_format)
            prepare(datasets.open_dataset(f"folder:{folder}"), scratch / image_format, options)
        _input_table(folder, scratch)
        _training_table(scratch)


def _folder(photos, scratch):
    """An image folder of links to the photographs: two classes, with one validation image each."""
    if photos is None:
        photos = scratch / "drawn"
        photos.mkdir()
        for index in range(100):
            image = tf.image.resize(shapes.draw(0, "train", index)[0], (375, 500), "bicubic")
            encoded = tf.io.encode_jpeg(tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8))
            (photos / f"{index}.jpg").write_bytes(encoded.numpy())
    files = sorted(file.resolve() for file in photos.iterdir())
    for number, file in enumerate(files * REPEATS):
        for part in ("train", "val") if number < 2 else ("train",):
            link = scratch / "folder" / part / "ab"[number % 2] / f"{number:05d}.jpg"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    return scratch / "folder"


def _input_table(folder, scratch):
    rates = medians(
        {
            "decode alone": functools.partial(_decode, folder),
            "PyTorch DataLoader, Pillow, 2 workers": functools.partial(_torch, folder),
            "image_dataset_from_directory + Keras layers": functools.partial(_keras, folder),
            "ours, from photographs": functools.partial(_ours, f"folder:{folder}"),
            "ours, prepared JPEG": functools.partial(_ours, f"records:{scratch / 'jpeg'}"),
            "ours, prepared raw": functools.partial(_ours, f"records:{scratch / 'raw'}", 4),
        },
        ROUNDS,
    )
    decode, torch, *_ = rates.values()
    print(f"{'input':<46}{'images/s':>9}{'/ decode':>10}{'/ DataLoader':>14}")
    for name, rate in rates.items():
        print(f"{name:<46}{rate:>9.0f}{rate / decode:>10.2f}{rate / torch:>14.2f}", flush=True)


def _training_table(scratch):
    step_seconds = medians(
        {
            "one constant batch": functools.partial(_training, f"records:{scratch / 'raw'}", constant=True),
            "prepared JPEG": functools.partial(_training, f"records:{scratch / 'jpeg'}"),
            "prepared raw": functools.partial(_training, f"records:{scratch / 'raw'}"),
        },
        2 * ROUNDS,
    )
    constant = step_seconds["one constant batch"]
    print(f"\n{'training on':<46}{'images/s':>9}{'lost':>10}")
    for name, seconds in step_seconds.items():
        print(f"{name:<46}{TRAINING_BATCH / seconds:>9.1f}{1 - constant / seconds:>10.1%}")


def _rate(batches_of, epochs=1):
    """A measurement for `medians`: images per second of a new iterator, without the batches that fill its buffers."""

    def measure():
        iterator = iter(batches_of())
        for _ in range(WARM_UP):
            next(iterator)
        count, started = 0, time.perf_counter()
        for _ in range(epochs * 7):
            count += len(next(iterator))
        return count / (time.perf_counter() - started)

    return measure


def _training_batches(name, batch_size=BATCH):
    dataset = datasets.open_dataset(name)
    steps = range(1_000_000)
    return pipeline.training_batches(dataset.train, 2, batch_size, SIZES, Augmentation(), 0, steps)


def _ours(name, epochs=1):
    batches = _training_batches(name)
    mean, color_pca = tf.constant(MEAN), [tf.constant(a) for a in statistics.IMAGENET_COLOR_PCA]
    return _rate(lambda: (network_input(batch, mean, color_pca) for batch in batches), epochs)


def _decode(folder):
    files = sorted(str(file) for file in (folder / "train").rglob("*.jpg"))
    decode = lambda file: tf.size(tf.io.decode_jpeg(tf.io.read_file(file), channels=3))  # noqa: E731
    batches = tf.data.Dataset.from_tensor_slices(files).repeat().map(decode, tf.data.AUTOTUNE).batch(BATCH)
    return _rate(lambda: batches.prefetch(tf.data.AUTOTUNE))


def _keras(folder):
    import keras

    axes = [tf.constant(a) for a in statistics.IMAGENET_COLOR_PCA]
    crop, mirror = keras.layers.RandomCrop(227, 227), keras.layers.RandomFlip("horizontal")

    def augment(batch, labels):
        batch = mirror(crop(batch, training=True), training=True) - MEAN
        return images.add_color_noise(batch, tf.random.normal([tf.shape(batch)[0], 3], stddev=0.1), *axes)

    batches = keras.utils.image_dataset_from_directory(
        folder / "train", batch_size=BATCH, image_size=(256, 256), crop_to_aspect_ratio=True, seed=0, verbose=False
    )  # fmt: skip
    return _rate(lambda: batches.repeat().map(augment, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE))


def _torch(folder):
    import torch

    files = sorted((folder / "train").rglob("*.jpg"))
    loader = torch.utils.data.DataLoader(
        _PillowImages(files), batch_size=BATCH, shuffle=True, num_workers=2, multiprocessing_context="fork"
    )
    values, vectors = (torch.from_numpy(a) for a in statistics.IMAGENET_COLOR_PCA)

    def finish(batch):
        flips = torch.rand(len(batch)) < 0.5
        batch = torch.where(flips[:, None, None, None], batch.flip(2), batch).float() - torch.from_numpy(MEAN)
        shift = (0.1 * torch.randn(len(batch), 3) * values.sqrt()) @ vectors.T
        return batch + shift[:, None, None, :]

    return _rate(lambda: map(finish, (batch for _ in range(99) for batch in loader)))


class _PillowImages:
    """Photographs as a PyTorch dataset: shorter side resized to 256, random crop from the central square; uint8."""

    def __init__(self, files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        import torch
        from PIL import Image

        image = Image.open(self.files[index]).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.BILINEAR)
        left, top = ((side - 256) // 2 + int(torch.randint(30, ())) for side in image.size)
        return torch.from_numpy(np.array(image.crop((left, top, left + 227, top + 227))))


def _training(name, constant=False):
    batches = iter(_training_batches(name, TRAINING_BATCH))
    train = paper_step()

    @tf.function(jit_compile=False)
    def step(batch):
        return train(network_input(batch, MEAN, statistics.IMAGENET_COLOR_PCA), batch["label"])

    first = next(batches)
    return timed(lambda: step(first if constant else next(batches)).numpy(), steps=3)


if __name__ == "__main__":
    main()
