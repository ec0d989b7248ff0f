"""Exports a network: writes every format into a hidden directory, compares it with Keras, then moves all into place."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf import locks, storage
from alexnet_tf.errors import UserError
from alexnet_tf.exporting import manifest, saved_model
from alexnet_tf.exporting.accuracy import Sample, measure
from alexnet_tf.exporting.formats import DEFAULT_FORMATS, FORMATS, Options, check_formats
from alexnet_tf.exporting.model_card import model_card
from alexnet_tf.exporting.parity import Parity, check_parity, recommended_tflite
from alexnet_tf.exporting.replacing import replace_directory
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.manifest import CARD, LABELS, MANIFEST, TEST_IMAGE, VERSION, read_manifest
from alexnet_tf.inference.predictor import InputPreprocessing
from alexnet_tf.inference.saving import save_errors
from alexnet_tf.storage import write_bytes, write_json, write_text


def export(
    predictor: KerasPredictor,
    out: str | os.PathLike,
    formats: Sequence[str] = DEFAULT_FORMATS,
    *,
    images: npt.NDArray[np.uint8],
    calibration: npt.NDArray[np.uint8] | None = None,
    ten_views: bool = False,
    about: dict[str, Any] | None = None,
    sample: Sample | None = None,
) -> list[Parity]:
    """Exports a network to files that do not depend on this package; returns the comparison of each format.

    Args:
        predictor: the network, e.g. `load_run(workdir).predictor()`.
        out: directory to write; an export that is there is replaced, but only after all formats passed.
        formats: some of `formats.FORMATS`.
        images: uint8 (images, crop, crop, 3), real images on which each format is compared with the Keras model.
        calibration: uint8 (images, crop, crop, 3), training images from which `tflite_full_int8` takes the ranges of
            activations; `images` if not given.
        ten_views: whether the SavedModel gets a signature that averages the ten views of section 4.1.
        about: facts about the training for manifest and model card, e.g. `run.about`.
        sample: labeled images to measure the errors of each format on, e.g. `Sample(run.dataset.validation)`; if not
            given, they are not measured.

    Raises:
        UserError: on an unknown format, a missing package, no image, no readable image in the sample, or an `out` that
            cannot be written or that holds anything but an export.
        SaveError: if a file cannot be written; nothing is exported, a previous export stays.
        ParityError: if a format differs too much from Keras; nothing is exported, a previous export stays.
    """
    out = pathlib.Path(out).absolute()
    check_export(out, formats)
    if not len(images):
        raise UserError("images must hold at least one image to compare on, got none")
    options = Options(images if calibration is None else calibration, ten_views)
    partial = _beside(out, "partial")
    with _locked(out):
        partial.mkdir()
        try:
            rows = _write_all(predictor, partial, formats, images, options, about or {}, sample)
            with save_errors(out):
                replace_directory(out, partial, _beside(out, "previous"))
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return rows


def check_export(out: str | os.PathLike, formats: Sequence[str]) -> None:
    """Raises UserError, before any long work, if `export` could not write these formats to `out`."""
    storage.check_no_globs("out", out)
    check_formats(formats)
    out = pathlib.Path(out).absolute()
    if out.exists() and not _is_export(out) and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"out must be a new or empty directory or a previous export, got {str(out)!r}")
    try:
        with _locked(out):
            _beside(out, "partial").mkdir()
            _beside(out, "partial").rmdir()
    except OSError as error:
        raise UserError(f"out must be in a directory that can be written to, got {str(out)!r}: {error}") from error


@contextlib.contextmanager
def _locked(out: pathlib.Path) -> Iterator[None]:
    """Within the context, no other process exports to `out`; what a killed one left is removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with locks.hold(_beside(out, "lock"), f"exporting to {str(out)!r}"):
        partial, previous = _beside(out, "partial"), _beside(out, "previous")
        if not out.exists() and previous.exists():
            previous.rename(out)  # Killed between two renames, see `replace_directory`.
        for leftover in (partial, previous):
            storage.remove(leftover)
        yield


def _beside(out: pathlib.Path, name: str) -> pathlib.Path:
    """A hidden directory next to `out`, on the same file system, so that it can be renamed to `out`."""
    return out.with_name(f".{out.name}.{name}")


def _is_export(directory: pathlib.Path) -> bool:
    """Whether `export` wrote the directory, and not another program that also writes a manifest."""
    try:
        return bool(read_manifest(directory))
    except UserError:
        return False


def _write_all(
    predictor: KerasPredictor,
    directory: pathlib.Path,
    formats: Sequence[str],
    images: npt.NDArray[np.uint8],
    options: Options,
    about: dict[str, Any],
    sample: Sample | None,
) -> list[Parity]:
    """Writes every format, compares it, measures its errors, and describes the export."""
    sizes = InputPreprocessing(predictor.preprocessing.resize, predictor.preprocessing.crop)
    rows, opened = [], []
    for name in formats:
        form = FORMATS[name]
        with save_errors(directory / form.file):
            form.write(predictor, directory / form.file, options)
        opened.append(form.open(directory / form.file, predictor.class_names, sizes))
        rows.append(check_parity(name, directory / form.file, opened[-1], predictor, images))
    if sample:
        measured = measure(predictor, opened, sample)
        rows = [dataclasses.replace(row, accuracy=errors) for row, errors in zip(rows, measured, strict=True)]
    write_text(directory / LABELS, manifest.labels_text(predictor.class_names))
    write_bytes(directory / TEST_IMAGE, tf.io.encode_png(images[0]).numpy())
    signatures = saved_model.tensor_names(directory) if "saved_model" in formats else {}
    fields = manifest.manifest_fields(
        predictor, [row.fields() for row in rows], len(images), recommended_tflite(rows), signatures, about, directory
    )
    write_text(directory / CARD, model_card(fields))
    write_json(directory / MANIFEST, fields, VERSION)
    read_manifest(directory)  # Raises for sizes that no reader would accept, before a previous export is replaced.
    return rows
