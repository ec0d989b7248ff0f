"""The list of a dataset's files: a run and a preparation notice with it that the dataset has changed."""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterator, Sequence

from alexnet_tf import storage
from alexnet_tf.data.file_split import FileSplit, picked
from alexnet_tf.data.sources import Dataset, Split
from alexnet_tf.errors import UserError

FORMAT_VERSION = 1
PARTS = ("train", "validation")

_NAMED = 3  # How many files a message names.
# A damaged file must not take all memory: of real lists, gzip makes a tenth.
_MOST_COMPRESSION, _LEAST_LIMIT = 200, 10_000_000
_KINDS = {"names": str, "labels": int, "sizes": int}


@dataclasses.dataclass(frozen=True)
class Part:
    """The files of one part of a dataset.

    Attributes:
        count: number of examples.
        names, labels, sizes: of each, sizes in bytes; None if unknown without reading the images.
    """

    count: int
    names: list[str] | None = None
    labels: list[int] | None = None
    sizes: list[int] | None = None


@dataclasses.dataclass(frozen=True)
class FileList:
    """The files of a dataset's two parts."""

    train: Part
    validation: Part

    def digest(self) -> str:
        """A hash of the counts, and of names and labels where they are known."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation):
            digest.update(str(part.count).encode())
            for name, label in zip(part.names or (), part.labels or (), strict=False):
                digest.update(f"{name}\0{label}\0".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def changes(self, now: "FileList") -> str:
        """What has changed, in words; empty if nothing. A file that only moved between the parts has not changed."""
        if any(part.names is None for part in (self.train, self.validation, now.train, now.validation)):
            pairs = [(name, getattr(self, name).count, getattr(now, name).count) for name in PARTS]
            return "; ".join(f"{name}: {old} examples before, {new} now" for name, old, new in pairs if old != new)
        before, after = dict(self._files()), dict(now._files())
        lists = {
            "added": [key for key in after if key not in before],
            "removed": [key for key in before if key not in after],
            "of another size": [key for key in after if key in before and _differ(before[key], after[key])],
        }
        return "; ".join(f"{len(keys)} {what} ({_some(keys)})" for what, keys in lists.items() if keys)

    def _files(self) -> Iterator[tuple[tuple[str, int], int | None]]:
        """((name, label), size) of all files."""
        for part in (self.train, self.validation):
            sizes: Sequence[int | None] = part.sizes or [None] * part.count
            yield from zip(zip(part.names or (), part.labels or (), strict=True), sizes, strict=True)

    def save(self, path: str | os.PathLike) -> None:
        """Writes a compressed JSON file."""
        fields = {storage.FORMAT_VERSION: FORMAT_VERSION, **{name: vars(getattr(self, name)) for name in PARTS}}
        storage.write_bytes(path, gzip.compress(json.dumps(fields).encode(), mtime=0))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "FileList":
        """Reads a file that `save` wrote; raises UserError if it is damaged or has another format version."""
        data = storage.read_bytes(path)
        try:
            with gzip.open(io.BytesIO(data)) as file:
                text = file.read(max(_LEAST_LIMIT, _MOST_COMPRESSION * len(data)))
            fields = json.loads(text)
        except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
            raise UserError(f"{str(path)!r} cannot be read: {error!s:.200}") from error
        storage.check_version(path, fields, FORMAT_VERSION)
        parts = [fields.get(name) for name in PARTS]
        if not all(map(_is_part, parts)):
            raise UserError(f"{str(path)!r} must be a list of files that alexnet-tf wrote")
        return cls(*(Part(**part) for part in parts))


def list_files(dataset: Dataset, sizes: bool = False) -> FileList:
    """Lists the files of a dataset; with `sizes`, each file is looked up on the disk."""
    return FileList(_part(dataset.train, sizes), _part(dataset.validation, sizes))


def keep_parts(dataset: Dataset, before: FileList) -> Dataset:
    """The dataset with every file in the part in which it was before; new files are where they are now.

    A folder without a validation set holds out other files when files are added to it, so that what was held out would
    be trained on.

    Raises:
        UserError: if a file that was held out is in the training set now, in a dataset whose parts are fixed.
    """
    splits = [dataset.train, dataset.validation]
    if [split.names and list(split.names) for split in splits] == [before.train.names, before.validation.names]:
        return dataset
    of_files = [split for split in splits if isinstance(split, FileSplit)]
    if len(of_files) < len(splits):
        moved = set(before.validation.names or ()) & set(dataset.train.names or ())
        if moved:
            raise UserError(
                f"dataset {dataset.name!r} must hold out what it held out before, got {_some(moved)} in train"
            )
        return dataset
    files = {
        (name, int(label)): (number, index)
        for number, split in enumerate(of_files)
        for index, (name, label) in enumerate(zip(split.names, split.labels, strict=True))
    }
    parts = []
    for number, part in enumerate((before.train, before.validation)):
        known = [files.pop(key) for key in zip(part.names or (), part.labels or (), strict=True) if key in files]
        parts.append((number, known))
    picks = [known + [pick for pick in files.values() if pick[0] == number] for number, known in parts]
    if not all(picks):
        raise UserError(f"dataset {dataset.name!r} must have a training and a validation image left, got none")
    train, validation = (picked(of_files, each) for each in picks)
    return dataclasses.replace(dataset, train=train, validation=validation)


def _is_part(fields: object) -> bool:
    """Whether a value is what `save` makes of a `Part`."""
    if not isinstance(fields, dict) or set(fields) != {"count", *_KINDS} or not isinstance(fields["count"], int):
        return False
    if (fields["names"] is None) != (fields["labels"] is None):
        return False
    columns = [(fields[name], kind) for name, kind in _KINDS.items() if fields[name] is not None]
    return all(
        isinstance(column, list) and len(column) == fields["count"] and all(isinstance(each, kind) for each in column)
        for column, kind in columns
    )


def _part(split: Split, sizes: bool) -> Part:
    if split.names is None or split.labels is None:
        return Part(split.count)
    of_files = split.sizes() if sizes and isinstance(split, FileSplit) else None
    return Part(split.count, list(split.names), [int(label) for label in split.labels], of_files)


def _differ(one: int | None, other: int | None) -> bool:
    return None not in (one, other) and one != other


def _some(keys: object) -> str:
    names = sorted(key[0] if isinstance(key, tuple) else str(key) for key in keys)  # type: ignore[attr-defined]
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
