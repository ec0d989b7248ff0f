"""Writes an export: artifacts aside first, each compared with the Keras model, then moved into place."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np

from alexnet_tf.serving import artifacts, runners

FORMATS = ("saved_model", *artifacts.TFLITE_FORMATS)
# Largest error of a probability, relative to the largest probability, that a format may make.
BOUNDS = {"saved_model": 1e-4, "tflite": 1e-4, "tflite_float16": 2e-2, "tflite_int8": 2e-1}


class ParityError(ValueError):
    """An artifact does not give the Keras model's answers."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """One format against the Keras model on the same images.

    Attributes:
        format: one of `FORMATS`.
        relative_error: the largest difference of a probability, over the largest probability.
        top1_agreement: share of images with the same first label.
        megabytes: size on disk, in 10^6 bytes.
    """

    format: str
    relative_error: float
    top1_agreement: float
    megabytes: float


def export(classifier, out, formats, images, preset):
    """Exports a classifier.

    Args:
        classifier: `Classifier`.
        out: directory to write; a previous export there is replaced, and only once all formats agree.
        formats: some of `FORMATS`.
        images: uint8 (count, crop, crop, 3), real images to compare on.
        preset: name of the preset, for the manifest.

    Returns:
        A list of `Parity`, one a format.

    Raises:
        ValueError: on an unknown format, no image, or an `out` that is not a previous export's or cannot be
            written to.
        ParityError: if a format is beyond its bound; nothing is left of this export, the previous one stays.
    """
    out = pathlib.Path(out).absolute()
    check(out, formats)
    if not len(images):
        raise ValueError("images must hold at least one image to compare on. Received: none")
    aside, previous = _beside(out, "partial"), _beside(out, "previous")
    aside.mkdir()
    try:
        manifest = {
            "preset": preset,
            "classes": list(classifier.class_names),
            "resize": classifier.resize,
            "crop": classifier.crop,
        }
        (aside / "labels.txt").write_text("\n".join(classifier.class_names) + "\n")
        rows = [_write(classifier, aside, kind, images, manifest) for kind in formats]
        manifest["parity"] = [dataclasses.asdict(row) for row in rows]
        (aside / runners.MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        if out.exists():
            out.rename(previous)
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(previous, ignore_errors=True)
    return rows


def check(out, formats):
    """Raises ValueError, before any long work, if `export` could not write these formats there."""
    unknown = [kind for kind in formats if kind not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"formats must be some of {', '.join(FORMATS)}. Received: formats={','.join(formats)}")
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
        return "parity" in json.loads((directory / runners.MANIFEST).read_text())
    except (OSError, ValueError, TypeError):
        return False


def _write(classifier, directory, kind, images, manifest):
    """Writes one format and compares it."""
    if kind == "saved_model":
        path = directory / kind
        artifacts.write_saved_model(classifier, path)
        runner = runners.saved_model_runner(path, manifest)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    else:
        path = directory / f"{kind.replace('tflite', 'model')}.tflite"
        path.write_bytes(artifacts.convert_tflite(classifier, kind))
        runner = runners.tflite_runner(path, manifest)
        size = path.stat().st_size
    parity = _compare(kind, classifier, runner, images, size)
    if not parity.relative_error <= BOUNDS[kind]:
        raise ParityError(
            f"{kind} differs from the Keras model by {parity.relative_error:.2g} (relative), more than "
            f"{BOUNDS[kind]:g}; nothing was exported"
        )
    return parity


def _compare(kind, classifier, runner, images, size):
    expected = np.concatenate([classifier.probabilities(image[None]).numpy() for image in images])
    found = np.stack([runner.classify_pixels(image) for image in images])
    error = float(np.max(np.abs(found - expected).max(-1) / expected.max(-1)))
    agreement = float(np.mean(found.argmax(-1) == expected.argmax(-1)))
    return Parity(kind, error, agreement, size / 1e6)
