"""Writes an export: artifacts aside first, each compared with the Keras model, then moved into place."""

import dataclasses
import json
import pathlib
import shutil
import time

import numpy as np

from alexnet_tf.exporting import formats, manifest, saved_model
from alexnet_tf.inference import runners


class ParityError(ValueError):
    """An artifact does not give the Keras model's answers."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """One format against the Keras model on the same images.

    Attributes:
        format: one of `formats.FORMATS`.
        relative_error: the largest difference of a probability, over the largest probability.
        top1_agreement: share of images with the same first label.
        megabytes: size on disk, in 10^6 bytes.
        milliseconds: median time of one image, decoded and cut already.
    """

    format: str
    relative_error: float
    top1_agreement: float
    megabytes: float
    milliseconds: float


def export(classifier, out, kinds, images, preset, options=formats.Options(), about=None):  # noqa: B008 - frozen
    """Exports a classifier.

    Args:
        classifier: `Classifier`.
        out: directory to write; a previous export there is replaced, and only once all formats agree.
        kinds: some of `formats.FORMATS`.
        images: uint8 (count, crop, crop, 3), real images to compare on.
        preset: name of the preset, for the manifest.
        options: `formats.Options`; without images for calibration, `images` serve for that.
        about: dictionary for manifest and model card: what the network was trained on, its error.

    Returns:
        A list of `Parity`, one a format.

    Raises:
        ValueError: on an unknown format, one that needs what is not installed, no image, or an `out` that is not a
            previous export's or cannot be written to.
        ParityError: if a format is beyond its bound; nothing is left of this export, the previous one stays.
    """
    out = pathlib.Path(out).absolute()
    check(out, kinds)
    if not len(images):
        raise ValueError("images must hold at least one image to compare on. Received: none")
    if not len(options.calibration):
        options = dataclasses.replace(options, calibration=images)
    aside, previous = _beside(out, "partial"), _beside(out, "previous")
    aside.mkdir()
    try:
        described = manifest.describe(classifier, preset, about or {})
        (aside / manifest.LABELS).write_text(manifest.labels(classifier.class_names))
        rows = [_write(classifier, aside, kind, images, options, described) for kind in kinds]
        encoded, test = manifest.test_of(runners.classifier_runner(classifier), images[0])
        (aside / manifest.TEST_IMAGE).write_bytes(encoded)
        described |= {"images": len(images), "parity": [dataclasses.asdict(row) for row in rows], "test": test}
        described["files"] = manifest.hashes(aside)
        (aside / manifest.CARD).write_text(manifest.card(described))
        (aside / manifest.MANIFEST).write_text(json.dumps(described, indent=2) + "\n")
        if out.exists():
            out.rename(previous)
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(previous, ignore_errors=True)
    return rows


def check(out, kinds):
    """Raises ValueError, before any long work, if `export` could not write these formats there."""
    formats.check(kinds)
    out = pathlib.Path(out).absolute()
    if out.exists() and not _is_export(out) and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"out must be new, empty or a previous export. Received: out={str(out)!r}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if not out.exists() and _beside(out, "previous").exists():
            _beside(out, "previous").rename(out)  # An earlier export was cut off between its two renames.
        for name in ("partial", "previous"):
            if _beside(out, name).exists():
                shutil.rmtree(_beside(out, name))
        _beside(out, "partial").mkdir()
        _beside(out, "partial").rmdir()
    except OSError as error:
        raise ValueError(f"out cannot be written to: {error}. Received: out={str(out)!r}") from error


def _beside(out, name):
    """A hidden directory of ours next to `out`, on the same file system, so that a rename is all it takes."""
    return out.with_name(f".{out.name}.{name}")


def _is_export(directory):
    """Whether the directory's manifest is one that `export` wrote, and not another program's."""
    try:
        return bool(manifest.read(directory))
    except ValueError:
        return False


def _write(classifier, directory, kind, images, options, described):
    """Writes one format and compares it."""
    form = formats.FORMATS[kind]
    path = directory / form.file
    form.write(classifier, path, options)
    if kind == "saved_model":
        described["signatures"] = saved_model.tensor_names(path)
    parity = _compare(kind, classifier, form.open(path, described), images, _size(path))
    if not parity.relative_error <= form.bound:
        raise ParityError(
            f"{kind} differs from the Keras model by {parity.relative_error:.2g} (relative), more than "
            f"{form.bound:g}; nothing was exported"
        )
    return parity


def _size(path):
    """Bytes of a file, or of all in a directory."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def _compare(kind, classifier, runner, images, size):
    expected = np.concatenate([classifier.probabilities(image[None]).numpy() for image in images])
    runner.classify_pixels(images[0])  # The first call prepares what later ones use.
    found, seconds = zip(*(_timed(runner, image) for image in images), strict=True)
    found = np.stack(found)
    error = float(np.max(np.abs(found - expected).max(-1) / expected.max(-1)))
    agreement = float(np.mean(found.argmax(-1) == expected.argmax(-1)))
    return Parity(kind, error, agreement, size / 1e6, 1e3 * float(np.median(seconds)))


def _timed(runner, image):
    begun = time.perf_counter()
    return runner.classify_pixels(image), time.perf_counter() - begun


def verify(directory):
    """Checks an export on this machine: every file's hash, and each format's answer to the test image.

    Args:
        directory: of the export.

    Returns:
        A list of (format, largest difference of the best probabilities over the largest, its bound, whether the first
        label is the expected one).

    Raises:
        ValueError: if the directory holds no export, or a file is missing or changed.
    """
    directory = pathlib.Path(directory)
    described = manifest.read(directory)
    found = manifest.hashes(directory)
    changed = [name for name, digest in described["files"].items() if found.get(name) != digest]
    if changed:
        raise ValueError(f"files of the export are missing or changed: {', '.join(changed)}")
    test = described["test"]
    encoded = (directory / test["image"]).read_bytes()
    rows = []
    for row in described["parity"]:
        form = formats.FORMATS[row["format"]]
        runner = form.open(directory / form.file, described)
        probabilities = dict(zip(runner.class_names, runner.classify(encoded), strict=True))
        pairs = zip(test["labels"], test["probabilities"], strict=True)
        error = max(abs(probabilities[label] - expected) for label, expected in pairs) / test["probabilities"][0]
        first = max(probabilities, key=probabilities.get) == test["labels"][0]
        rows.append((row["format"], float(error), form.bound, first))
    return rows
