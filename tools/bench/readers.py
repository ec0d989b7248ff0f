"""The contenders of the suite `input`, with full augmentation, and the images that they read."""

import pathlib
import time
from collections.abc import Callable, Iterable

import numpy as np

from alexnet_tf.data import datasets, images, pipeline, shapes, statistics
from alexnet_tf.data.augmentation import Augmentation
from alexnet_tf.data.network_input import network_input
from alexnet_tf.data.prepare import prepare
from alexnet_tf.data.prepare_options import PrepareOptions
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.training import xla
from tools.bench import network
from tools.bench.rounds import Probe, timed
from tools.bench.training import STEPS, training_step

import tensorflow as tf  # isort: skip - after this package, which changes its settings

BATCH, TRAINING_BATCH, WARM_UP, BATCHES = 128, 32, 4, 7
SIZES = images.ResizeCrop(256, 227)
MEAN = np.array([123.0, 117.0, 104.0], np.float32)
REPEATS = 10  # Of each photograph, so that a round is long enough.


def write_images(photos: pathlib.Path | None, directory: pathlib.Path) -> None:
    """Writes an image folder and prepared records.

    Args:
        photos: JPEG files; drawings of 500 by 375 pixels if not given.
        directory: gets `folder`, `jpeg` and `raw`.
    """
    folder = _folder(photos, directory)
    for image_format in ("jpeg", "raw"):
        prepare(
            datasets.open_dataset(f"folder:{folder}"), directory / image_format, PrepareOptions(format=image_format)
        )


def _folder(photos: pathlib.Path | None, scratch: pathlib.Path) -> pathlib.Path:
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


def _reading(batches_of: Callable[[], Iterable], repeats: int = 1) -> Probe:
    """Seconds per image of a new iterator, without the batches that fill its buffers."""

    def measure() -> float:
        iterator = iter(batches_of())
        for _ in range(WARM_UP):
            next(iterator)
        count, started = 0, time.perf_counter()
        for _ in range(repeats * BATCHES):
            count += len(next(iterator))
        return (time.perf_counter() - started) / count

    return Probe(measure)


def _training_batches(name: str, batch_size: int = BATCH) -> tf.data.Dataset:
    dataset = datasets.open_dataset(name)
    steps = range(1_000_000)
    return pipeline.training_batches(dataset.train, 2, batch_size, SIZES, Augmentation(), 0, steps)


def ours(name: str, repeats: int = 1) -> Probe:
    batches = _training_batches(name)
    mean, color_pca = tf.constant(MEAN), [tf.constant(a) for a in statistics.IMAGENET_COLOR_PCA]
    compiled = xla.compiled(network_input)  # As training does on a CPU.
    return _reading(lambda: (compiled(batch, mean, color_pca) for batch in batches), repeats)


def decode(folder: pathlib.Path) -> Probe:
    files = sorted(str(file) for file in (folder / "train").rglob("*.jpg"))
    decode = lambda file: tf.size(tf.io.decode_jpeg(tf.io.read_file(file), channels=3))  # noqa: E731
    batches = tf.data.Dataset.from_tensor_slices(files).repeat().map(decode, tf.data.AUTOTUNE).batch(BATCH)
    return _reading(lambda: batches.prefetch(tf.data.AUTOTUNE))


def keras(folder: pathlib.Path) -> Probe:
    import keras

    axes = [tf.constant(a) for a in statistics.IMAGENET_COLOR_PCA]
    crop, mirror = keras.layers.RandomCrop(227, 227), keras.layers.RandomFlip("horizontal")

    def augment(batch, labels):
        batch = mirror(crop(batch, training=True), training=True) - MEAN
        return images.add_color_noise(batch, tf.random.normal([tf.shape(batch)[0], 3], stddev=0.1), *axes)

    batches = keras.utils.image_dataset_from_directory(
        folder / "train", batch_size=BATCH, image_size=(256, 256), crop_to_aspect_ratio=True, seed=0, verbose=False
    )  # fmt: skip
    return _reading(lambda: batches.repeat().map(augment, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE))


def torch(folder: pathlib.Path) -> Probe:
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

    return _reading(lambda: map(finish, (batch for _ in range(99) for batch in loader)))


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


def training(name: str, constant: bool = False) -> Probe:
    batches = iter(_training_batches(name, TRAINING_BATCH))
    train = training_step(AlexNet("paper", classes=network.CLASSES))
    compiled = xla.compiled(network_input)

    @tf.function(jit_compile=False)
    def step(batch):
        return train(compiled(batch, MEAN, statistics.IMAGENET_COLOR_PCA), batch["label"])

    first = next(batches)
    return Probe(timed(lambda: step(first if constant else next(batches)).numpy(), TRAINING_BATCH, STEPS))
