"""Writes the index of a prepared dataset: labels, names, skipped files, statistics, and last the description."""

import pathlib
from typing import Any

import numpy as np

from alexnet_tf import storage
from alexnet_tf.data import description, records
from alexnet_tf.data.sources import Dataset
from alexnet_tf.data.statistics import Sums
from alexnet_tf.errors import UserError


def write_index(dataset: Dataset, out: pathlib.Path, plan: dict[str, Any], indices: list[dict[str, Any]]) -> None:
    """Merges the shards' parts of the index.

    Args:
        dataset: the source.
        out: directory of the prepared dataset.
        plan: the fields of the description that were known before.
        indices: what `load_index` returned for each shard, in order.

    Raises:
        UserError: if a split has no readable image.
    """
    by_split = {name: [index for index in indices if index["split"] == name] for name in description.SPLITS}
    splits = {name: _write_split(dataset, out, name, parts) for name, parts in by_split.items()}
    sums = Sums()
    for index in by_split["train"]:
        sums.merge(Sums(int(index["count"]), index["pixels"], index["products"]))
    sums.statistics().save(out / records.STATISTICS)
    skipped = [(index["split"], *row) for index in indices for row in index["skipped"]]
    skipped += [(records.NO_SPLIT, *row) for row in dataset.ignored]
    lines = ["\t".join(" ".join(str(field).split()) for field in row) + "\n" for row in skipped]
    storage.write_text(out / records.SKIPPED, "".join(lines))
    files = [f"{name}.{suffix}" for name in splits for suffix in ("npy", "txt")] + [records.STATISTICS]
    fingerprints = {index["file"]: str(index["fingerprint"]) for index in indices}
    fingerprints |= {file: description.fingerprint(out / file) for file in files}
    fields = {**plan, "splits": splits, "fingerprints": fingerprints}
    storage.write_json(out / records.DESCRIPTION, fields, description.FORMAT_VERSION)


def _write_split(dataset: Dataset, out: pathlib.Path, name: str, indices: list[dict[str, Any]]) -> dict[str, Any]:
    """Writes the labels and names of a split; returns its entry in the description."""
    labels = np.concatenate([np.zeros(0, np.int32), *(index["label"] for index in indices)])
    if not len(labels):
        raise UserError(f"dataset {dataset.name!r}: the {name} set must have a readable image, got none")
    with storage.atomic_write(out / f"{name}.npy") as partial:
        np.save(partial, labels)
    names = [" ".join(str(text).splitlines()) for index in indices for text in index["names"]]
    storage.write_text(out / f"{name}.txt", "".join(f"{text}\n" for text in names))
    return {
        "count": len(names),
        "skipped": sum(len(index["skipped"]) for index in indices),
        "class_counts": np.bincount(labels, minlength=len(dataset.class_names)).tolist(),
        "shards": [{"file": index["file"], "count": len(index["label"])} for index in indices],
    }
