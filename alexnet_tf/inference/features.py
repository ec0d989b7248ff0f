"""Writes the output of a layer for the images of splits, for search, clustering and detectors."""

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.sources import Split, name_of
from alexnet_tf.errors import UserError
from alexnet_tf.inference.predict_split import predict_split
from alexnet_tf.inference.predictor import Predictor
from alexnet_tf.inference.saving import save_errors
from alexnet_tf.storage import atomic_write

SUFFIXES = (".npz", ".tfrecord")

_Write = Callable[[list[str], npt.NDArray[np.int64], npt.NDArray[np.float32]], None]


class Written(NamedTuple):
    """What `write_features` wrote.

    Attributes:
        images: how many images have features.
        shape: of the features of one image.
        unreadable: names of the images that have none.
    """

    images: int
    shape: tuple[int, ...]
    unreadable: list[str]


def write_features(
    predictor: Predictor,
    layer: str,
    splits: Mapping[str, Split],
    out: str | os.PathLike,
    class_names: Sequence[str] | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> Written:
    """Writes a layer's output for all readable images of splits, one split after the other.

    A `.npz` file is built in memory and has `files` str (images,), `features` float32 (images, ...), and with class
    names `labels` int64 (images,) and `class_names` str (classes,). A `.tfrecord` file has an `Example` for each image
    with `file` bytes, `features` floats, `shape` ints, and with class names `label` int and `class` bytes.

    Args:
        predictor: the network.
        layer: one of `predictor.layer_names`.
        splits: {name of the split, e.g. `"train"`: split}.
        out: file to write, `.npz` or `.tfrecord`; an existing one is replaced.
        class_names: names of the splits' classes; None if their labels have no meaning.
        progress: called after each batch with the number of images so far.

    Raises:
        UserError: if there is no such layer, `out` has another suffix, or no image is readable; nothing is written.
        SaveError: if the file cannot be written.
    """
    check_suffix(out)
    predictor.check_layer(layer)
    seen, images = 0, 0
    shape: tuple[int, ...] = ()
    writing = _writing_npz if pathlib.Path(out).suffix == ".npz" else _writing_tfrecord
    with atomic_write(out) as partial, writing(partial, class_names) as write:
        for part, split in splits.items():
            batches = predict_split(
                predictor, split, layer, classes=len(class_names or "?"),
                progress=lambda count, seen=seen: progress(seen + count),  # type: ignore[misc]
            )  # fmt: skip
            for _, labels, indices, features in batches:
                write([name_of(split, part, index) for index in indices], labels, features)
                images, shape = images + len(labels), features.shape[1:]
            seen += split.count
        if not images:
            raise UserError(f"none of the {seen} images can be read; nothing is written")
    return Written(images, shape, [name for split in splits.values() for name in sorted(split.skipped)])


def check_suffix(out: str | os.PathLike) -> None:
    """Raises UserError unless features can be written to a file of that name."""
    if pathlib.Path(out).suffix not in SUFFIXES:
        raise UserError(f"out must end in {' or '.join(SUFFIXES)}, got {str(out)!r}")


@contextlib.contextmanager
def _writing_npz(path: pathlib.Path, class_names: Sequence[str] | None) -> Iterator[_Write]:
    """Yields a function that takes names, labels and features of a batch; writes the file if the block succeeds."""
    batches: list[tuple] = []
    yield lambda *batch: batches.append(batch)
    names, labels, features = (np.concatenate(column) for column in zip(*batches, strict=True))
    arrays = {"files": names.astype(str), "features": features}
    if class_names is not None:
        arrays |= {"labels": labels, "class_names": np.array(class_names)}
    np.savez(path, allow_pickle=False, **arrays)


@contextlib.contextmanager
def _writing_tfrecord(path: pathlib.Path, class_names: Sequence[str] | None) -> Iterator[_Write]:
    """As `_writing_npz`, but every batch is written at once."""

    def write(names: list[str], labels: npt.NDArray[np.int64], features: npt.NDArray[np.float32]) -> None:
        for name, label, feature in zip(names, labels, features, strict=True):
            values = {
                "file": _bytes(name),
                "features": tf.train.Feature(float_list=tf.train.FloatList(value=feature.ravel())),
                "shape": tf.train.Feature(int64_list=tf.train.Int64List(value=feature.shape)),
            }
            if class_names is not None:
                values["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
                values["class"] = _bytes(class_names[label])
            example = tf.train.Example(features=tf.train.Features(feature=values))
            with save_errors(path):
                writer.write(example.SerializeToString())

    writer = tf.io.TFRecordWriter(str(path))
    yield write
    with save_errors(path):
        writer.close()


def _bytes(text: str) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
