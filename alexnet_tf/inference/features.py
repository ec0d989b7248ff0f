"""What a network's inner layers say of images, for search, clustering and detectors."""

import contextlib
import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.data import pipeline
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.sources import name_of
from alexnet_tf.exporting import manifest
from alexnet_tf.inference.predictor import check_layer
from alexnet_tf.inference.runners import saved_model_of

BATCH = 64
SUFFIXES = (".npz", ".tfrecord")


class Extractor:
    """Gives one layer's output.

    Args:
        run: from uint8 (batch, crop, crop, 3) to float32 (batch, ...).
        resize_crop: `ResizeCrop`.
    """

    def __init__(self, run, resize_crop):
        self._run, self._geometry = run, resize_crop

    def of_split(self, split, part, classes):
        """The features of all images of a split that can be read, in the split's order, a batch at a time.

        Args:
            split: an `alexnet_tf.data.sources.Split`.
            part: for the names of images that have none, e.g. `"train"`.
            classes: number of classes of the split.

        Yields:
            A list of names, labels int64 (images,), features float32 (images, ...), and how many images were seen.
        """
        batches = pipeline.evaluation_batches(split, classes, min(BATCH, split.count), self._geometry)
        seen = 0
        for batch in batches:
            good = batch["weight"].numpy() > 0
            names = [name_of(split, part, seen + index) for index in np.flatnonzero(good)]
            features = np.asarray(self._run(batch["image"]), np.float32)[good]
            seen += len(good)
            yield names, batch["label"].numpy()[good], features, min(seen, split.count)


def classifier_extractor(classifier, layer):
    """An `Extractor` over a `Classifier`; see `Classifier.outputs` for the layers.

    Raises:
        ValueError: if there is no such layer.
    """
    check_layer(layer, classifier.outputs)
    run = tf.function(lambda pixels: classifier.layers(pixels, layer)[layer], jit_compile=False)
    return Extractor(run, classifier.resize_crop)


def saved_model_extractor(path, layer):
    """An `Extractor` over an export that has a SavedModel: `pool5`, `fc7`, `logits` or `probabilities`.

    Raises:
        ValueError: if it is none, or there is no such layer.
    """
    directory = saved_model_of(path)
    if directory is None:
        raise ValueError(f"model must be a run's workdir, or an export with a SavedModel. Received: {str(path)!r}")
    description = manifest.read(directory.parent)
    signatures = tf.saved_model.load(str(directory)).signatures
    outputs = {key: sorted(signatures[key].structured_outputs) for key in ("features", "pixels")}
    known = {name: signatures[key] for key, names in outputs.items() for name in names}
    check_layer(layer, known)
    resize_crop = ResizeCrop(description["resize"], description["crop"])
    return Extractor(lambda pixels: known[layer](image=pixels)[layer], resize_crop)


def extract(extractor, splits, out, class_names=None, progress=lambda count: None):
    """Writes the features of all images that can be read.

    Args:
        extractor: `Extractor`.
        splits: {name of the part: `alexnet_tf.data.sources.Split`}, written one after the other.
        out, class_names: as for `writing`.
        progress: called after each batch with the number of images so far.

    Returns:
        How many images were written, the shape of one's features, and the names of those that could not be read.

    Raises:
        ValueError: if none could be read; nothing is written.
    """
    written, seen = 0, 0
    with writing(out, class_names) as write:
        for part, split in splits.items():
            for names, labels, features, count in extractor.of_split(split, part, len(class_names or "?")):
                write(names, labels, features)
                written, shape = written + len(names), features.shape[1:]
                progress(seen + count)
            seen += split.count
        if not written:
            raise ValueError(f"none of the {seen} images can be read; nothing is written")
    return written, shape, [name for split in splits.values() for name in sorted(split.skipped)]


def check_suffix(out):
    """Raises ValueError if features are not written as such a file."""
    if pathlib.Path(out).suffix not in SUFFIXES:
        raise ValueError(f"out must end in {' or '.join(SUFFIXES)}. Received: out={str(out)!r}")


@contextlib.contextmanager
def writing(out, class_names=None):
    """Within the context, what is given to `write(names, labels, features)` goes to a file, seen only when whole.

    `.npz` is kept in memory up to the end and has `files` str (images,), `features` float32 (images, ...), and with
    class names `labels` int64 (images,) and `class_names` str (classes,). `.tfrecord` has an `Example` for each image
    with `file` bytes, `features` floats, `shape` ints, and with class names `label` int and `class` bytes.

    Args:
        out: the file's name; a previous one is replaced.
        class_names: tuple of str, None where labels mean nothing.
    """
    out = pathlib.Path(out)
    partial = out.with_name(f"{out.name}.new")
    writer = (_Npz if out.suffix == ".npz" else _TFRecord)(partial, class_names)
    try:
        yield writer.write
        writer.close()
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


class _Npz:
    def __init__(self, path, class_names):
        self._path, self._class_names, self._batches = path, class_names, []

    def write(self, names, labels, features):
        self._batches.append((names, labels, features))

    def close(self):
        names, labels, features = (np.concatenate(column) for column in zip(*self._batches, strict=True))
        arrays = {"files": names.astype(str), "features": features}
        if self._class_names is not None:
            arrays |= {"labels": labels, "class_names": np.array(self._class_names)}
        with open(self._path, "wb") as file:
            np.savez(file, **arrays)


class _TFRecord:
    def __init__(self, path, class_names):
        self._class_names, self._writer = class_names, tf.io.TFRecordWriter(str(path))

    def write(self, names, labels, features):
        for name, label, feature in zip(names, labels, features, strict=True):
            values = {
                "file": _feature("bytes_list", [name.encode()]),
                "features": _feature("float_list", feature.ravel()),
                "shape": _feature("int64_list", feature.shape),
            }
            if self._class_names is not None:
                values["label"] = _feature("int64_list", [label])
                values["class"] = _feature("bytes_list", [self._class_names[label].encode()])
            example = tf.train.Example(features=tf.train.Features(feature=values))
            with _os_errors():
                self._writer.write(example.SerializeToString())

    def close(self):
        with _os_errors():
            self._writer.close()


@contextlib.contextmanager
def _os_errors():
    """Makes an OSError of TensorFlow's own errors: a full disk is of one kind, a quota of another."""
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(f"features cannot be written: {error.message}") from error


def _feature(kind, values):
    message = {"bytes_list": tf.train.BytesList, "float_list": tf.train.FloatList, "int64_list": tf.train.Int64List}
    return tf.train.Feature(**{kind: message[kind](value=values)})
