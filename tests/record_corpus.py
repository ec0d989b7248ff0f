"""Damaged prepared datasets, finished and unfinished, made by seeded changes of good ones; see `corpora`."""

import functools
import hashlib
import json
import random
import shutil

import damage
import helpers
import odd_files
import pytest

from alexnet_tf.data import datasets, description, pipeline, prepare, records
from alexnet_tf.data.augmentation import Augmentation
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.prepare_options import PrepareOptions

OPTIONS = {form: PrepareOptions(size=32, shard_size=6, format=form) for form in ("raw", "jpeg")}
SHARDS = {"raw": "train-00001-of-00003.raw", "jpeg": "train-00001-of-00003.array_record"}
INDEX = ("dataset.json", "train.npy", "train.txt", "validation.npy", "validation.txt", "statistics.npz")
# A file is damaged; two are exchanged; one is replaced by what is no file; an array or a field of JSON is another.
KINDS = tuple(
    f"{state}/{form}/{kind}"
    for form in OPTIONS
    for state, kinds in {
        "finished": (*INDEX, SHARDS[form], SHARDS[form], "swap", "odd", "odd", "array", "archive", "field", "field"),
        "unfinished": ("plan.json", "part", SHARDS[form], "swap", "odd", "field", "archive"),
    }.items()
    for kind in kinds
)
# JSON that stays valid, and pixels behind the start of a shard: they have no check sum.
UNPROTECTED = tuple(kind for kind in KINDS if kind.endswith(("dataset.json", "field", ".raw")))
_START_BYTES = 1 << 10  # Of a shard, for its fingerprint: these shards are small.


class _Stop(BaseException):
    """Stands for a kill."""


def good_files(root):
    """Writes good prepared datasets to `root/good`: two finished ones, and two that lack only the index."""
    good = root / "good"
    for number in range(20):
        file = good / "photos" / "ab"[number % 2] / f"{number:02d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(helpers.noise_jpeg(number, 40, 50))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(description, "START_BYTES", _START_BYTES)
        for form, options in OPTIONS.items():
            prepare.prepare(_photos(root), good / "finished" / form, options, workers=1)
        patch.setattr(prepare, "write_index", _stop)
        for form, options in OPTIONS.items():
            with pytest.raises(_Stop):
                prepare.prepare(_photos(root), good / "unfinished" / form, options, workers=1)


def _stop(*_):
    raise _Stop


def _photos(root):
    return datasets.open_dataset(f"folder:{root / 'good' / 'photos'}")


def warm_up(root):
    """Reads a good set of each form; for a process that reads nothing but these sets."""
    description.START_BYTES = _START_BYTES
    for form in OPTIONS:
        _expected(root, form)


@functools.cache
def _expected(root, form):
    return _read(root / "good" / "finished" / form)


def _read(out):
    """A digest of everything in a prepared dataset, as training reads it."""
    dataset, sizes = datasets.open_dataset(f"records:{out}"), ResizeCrop(32, 28)
    digest = hashlib.sha256(repr((dataset.class_names, list(dataset.train.names))).encode())
    for batch in pipeline.training_batches(dataset.train, 2, 6, sizes, Augmentation(), 0, range(3)):
        digest.update(batch["image"].numpy().tobytes() + batch["label"].numpy().tobytes())
    for examples in pipeline.read_split(dataset.validation, 2, 2, sizes):
        digest.update(examples.images.tobytes() + examples.labels.tobytes())
    digest.update(repr(list(dataset.validation.names)).encode())
    digest.update(dataset.statistics.mean("image", 28).tobytes() + dataset.statistics.eigenvectors.tobytes())
    return digest.hexdigest()


def make(root, number):
    """Makes the dataset with a number; returns its kind and a function that reads it, and says whether it is right."""
    rng, kind = random.Random(number), KINDS[number % len(KINDS)]
    state, form, change = kind.split("/")
    case = shutil.copytree(root / "good" / state / form, root / str(number))
    files = sorted(path for path in case.rglob("*") if path.is_file() and path.name != records.SKIPPED)
    named = {file.name: file for file in files}
    parts = [file for file in files if file.suffix == ".npz"]
    if change == "swap":
        odd_files.swap(files, rng)
    elif change == "odd":
        odd_files.replace(rng.choice(files), rng)
    elif change == "array":
        named[rng.choice(["train.npy", "validation.npy"])].write_bytes(odd_files.arrays(rng))
    elif change == "archive":
        odd_files.change_an_archive(rng.choice(parts), rng)
    elif change == "field":
        file = named["dataset.json" if state == "finished" else "plan.json"]
        fields = json.loads(file.read_text())
        damage.change_a_field(fields, rng)
        file.write_text(json.dumps(fields))
    else:
        file = rng.choice(parts) if change == "part" else named[change]
        file.write_bytes(damage.damaged(file.read_bytes(), rng))
    return kind, functools.partial(_is_right, root, case, state, form)


def _is_right(root, case, state, form):
    if state == "finished":
        return _read(case) == _expected(root, form)
    prepare.prepare(_photos(root), case, OPTIONS[form], workers=1)
    # Damage far inside a shard is not noticed before it is read.
    return _files(case) == _files(root / "good" / "finished" / form) or _read(case) == _expected(root, form)


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
