"""Writes a prepared set: images once made small, so that training only reads and crops. Section 2 of the paper.

A shard is written aside and renamed when it is whole, then its part of the index is; so a run that was killed at any
moment goes on where it was, and the finished set is the same, byte for byte. See `records` for what is written.
"""

import concurrent.futures
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import shutil

import numpy as np
import tensorflow as tf

from alexnet_tf.data import decoding, images, records
from alexnet_tf.data.statistics import Sums

# Images that a worker prepares before it hands over their sums.
CHUNK = 16


@dataclasses.dataclass(frozen=True)
class Form:
    """How images are stored.

    Attributes:
        size: the shorter side in pixels.
        square: whether only the central square is kept, which is all that training uses.
        format: `"jpeg"` or `"raw"` (pixels, squares only; seven times as large and four times as fast to read).
        quality: of JPEG, 1 to 100.
        shard_size: source images a shard.
    """

    size: int = 256
    square: bool = True
    format: str = "jpeg"
    quality: int = 95
    shard_size: int = 4096

    def __post_init__(self):
        """Checks every field; raises ValueError naming the one that is wrong."""
        if self.format not in records.FORMATS:
            raise ValueError(f"format must be one of {', '.join(records.FORMATS)}. Received: format={self.format!r}")
        for name, most in (("size", 4096), ("quality", 100), ("shard_size", 1_000_000)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 1 to {most}. Received: {name}={getattr(self, name)}")
        if self.format == "raw" and not self.square:
            raise ValueError("square must be true for raw, which keeps squares only. Received: square=False")


def prepare(dataset, out, form=Form(), workers=None, progress=lambda done, skipped: None):  # noqa: B008
    """Prepares a dataset, or goes on with one that was interrupted.

    Args:
        dataset: `Dataset` of image files.
        out: directory to write.
        form: `Form`.
        workers: threads; as many as there are processors if not given.
        progress: called with the number of source images done and of those skipped, both parts together.

    Returns:
        The description that was written, `dataset.json`.

    Raises:
        ValueError: if the dataset has no image files, or `out` cannot be written to or holds something else.
    """
    out = pathlib.Path(out)
    if not all(hasattr(split, "originals") for split in (dataset.train, dataset.validation)):
        raise ValueError(f"dataset must consist of image files. Received: dataset={dataset.name!r}")
    plan = {
        "version": records.VERSION, "source": dataset.name, **dataclasses.asdict(form),
        "class_names": list(dataset.class_names),
    }  # fmt: skip
    work = out / records.WORK
    if _claim(out, work, {**plan, "files": _fingerprint(dataset)}):
        done, skipped, sides = 0, 0, {name: [] for name in records.SPLITS}
        preparer = _Preparer(form)
        with concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            for name in records.SPLITS:
                for shard in _shards(getattr(dataset, name), name, form):
                    if not shard.side_file(work).is_file():
                        _write_shard(shard, out, work, preparer, pool, lambda n, bad: progress(done + n, skipped + bad))  # noqa: B023
                    sides[name].append(_load_side(shard, work))
                    done += shard.stop - shard.start
                    skipped += len(sides[name][-1]["skipped"])
                    progress(done, skipped)
        _finish(dataset, out, work, plan, sides)
    return json.loads((out / records.DESCRIPTION).read_text())


def _claim(out, work, plan):
    """Makes a directory this set's. Returns whether there is anything left to do."""
    mark = work / "plan.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        finished = out / records.DESCRIPTION
        known = mark if mark.is_file() else finished
        if not known.is_file() and any(entry.name != records.WORK for entry in out.iterdir()):
            raise ValueError(f"out must be an empty folder, or hold this very set. Received: out={str(out)!r}")
        if known.is_file():
            _refuse_another(out, json.loads(known.read_text()), plan)
        if finished.is_file():
            shutil.rmtree(work, ignore_errors=True)
            return False
        work.mkdir(exist_ok=True)
        _write(mark, json.dumps(plan).encode())
    except OSError as error:
        raise ValueError(f"out cannot be written to: {error}. Received: out={str(out)!r}") from error
    return True


def _refuse_another(out, before, plan):
    changed = [key for key in plan if before.get(key) != plan[key]]
    if changed:
        details = "; ".join(f"{key}: {_short(before.get(key))} there, {_short(plan[key])} now" for key in changed)
        raise ValueError(f"out={str(out)!r} holds another set; it differs in {details}")


def _short(value):
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fingerprint(dataset):
    """Changes when other images would be prepared: a hash of counts, and of names and labels where they are known."""
    digest = hashlib.sha256()
    for split in (dataset.train, dataset.validation):
        digest.update(str(split.count).encode())
        for name, label in zip(getattr(split, "names", ()), getattr(split, "labels", ()), strict=True):
            digest.update(f"{name}\0{label}\0".encode())
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class _Shard:
    """A part of a split: source images `start` to `stop`, prepared into one file."""

    split: object
    name: str
    start: int
    stop: int
    file: str

    def side_file(self, work):
        """Where its part of the index lies until all is done."""
        return work / f"{self.file}.npz"


def _shards(split, name, form):
    starts = range(0, split.count, form.shard_size)
    for number, start in enumerate(starts):
        stop = min(start + form.shard_size, split.count)
        yield _Shard(split, name, start, stop, records.shard_name(name, number, len(starts), form.format))


def _write_shard(shard, out, work, preparer, pool, progress):
    partial = work / shard.file
    writer = _writer(partial)
    sums, index, skipped = Sums(), [], []
    for chunk in _in_order(pool, preparer, shard.split.originals(shard.start, shard.stop)):
        for record in chunk.records:
            writer.write(record)
        index += chunk.index
        skipped += chunk.skipped
        sums.merge(chunk.sums)
        progress(len(index) + len(skipped), len(skipped))
    writer.close()
    _keep(partial, out / shard.file)
    names, labels = zip(*index, strict=True) if index else ((), ())
    side = work / f"{shard.file}.side.npz"
    with open(side, "wb") as file:
        np.savez(
            file, label=np.array(labels, np.int32), texts=json.dumps({"names": names, "skipped": skipped}),
            count=sums.count, pixels=sums.pixels, products=sums.products,
        )  # fmt: skip
    _keep(side, shard.side_file(work))


def _writer(file):
    """Something to `write` records to, and to `close`."""
    if file.suffix == ".raw":
        return open(file, "wb")
    # Imported when it is needed: it defines absl flags of its own.
    from array_record.python.array_record_module import ArrayRecordWriter

    return ArrayRecordWriter(str(file), "group_size:1,uncompressed")


def _in_order(pool, function, originals):
    """Applies a function to chunks of originals in a pool's threads; yields results in order, a few ahead."""
    chunks = iter(lambda: list(itertools.islice(originals, CHUNK)), [])
    ahead = 2 * os.cpu_count()
    waiting = [pool.submit(function, chunk) for chunk in itertools.islice(chunks, ahead)]
    try:
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(function, chunk) for chunk in itertools.islice(chunks, 1)]
    finally:
        for future in waiting:
            future.cancel()


@dataclasses.dataclass
class _Chunk:
    """Some images, prepared: records with their (name, label), what was skipped, and the sums."""

    records: list = dataclasses.field(default_factory=list)
    index: list = dataclasses.field(default_factory=list)
    skipped: list = dataclasses.field(default_factory=list)
    sums: Sums = dataclasses.field(default_factory=Sums)


class _Preparer:
    """Turns originals into a `_Chunk`."""

    def __init__(self, form):
        self._square = images.ResizeCrop(form.size, form.size)
        self._prepare = tf.function(self._of_form(form), input_signature=[tf.TensorSpec([], tf.string)])

    def _of_form(self, form):
        def prepare(encoded):
            """From a file's bytes to a record, and the image that will be read from it."""
            image = images.resize_shorter_side(decoding.decode(encoded), form.size)
            if form.square:
                image = images.central_crop(image, form.size)
            if form.format == "raw":
                return tf.constant(b""), image
            record = tf.io.encode_jpeg(image, format="rgb", quality=form.quality, optimize_size=True)
            return record, decoding.decode(record)

        return prepare

    def __call__(self, originals):
        chunk, squares = _Chunk(), []
        for original in originals:
            try:
                record, image = (tensor.numpy() for tensor in self._prepare(tf.constant(original.read())))
            except (OSError, tf.errors.InvalidArgumentError) as error:
                chunk.skipped.append((original.name, reason(error)))
                continue
            chunk.records.append(record or image.tobytes())
            chunk.index.append((original.name, original.label))
            squares.append(images.central_crop(image, self._square.crop))
        if squares:
            chunk.sums.add(np.stack(squares))
        return chunk


def reason(error):
    """Why a file was skipped, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    message = getattr(error, "message", str(error))
    if "assertion failed" in message:
        return "too many pixels, or too narrow: " + message.rsplit("[", 1)[-1].split("]")[0]
    if "Unknown image file format" in message:
        return "not a JPEG, PNG, GIF or BMP image"
    return "damaged: " + message.split("\n")[0].split("[[")[0].strip()


def _load_side(shard, work):
    with np.load(shard.side_file(work)) as arrays:
        side = {key: arrays[key] for key in arrays.files}
    return {**side, **json.loads(str(side["texts"])), "file": shard.file}


def _finish(dataset, out, work, plan, sides_of):
    """Puts the shards' parts of the index together; the description comes last."""
    sums, skipped, splits = Sums(), [], {}
    for name, sides in sides_of.items():
        labels = np.concatenate([side["label"] for side in sides])
        if not len(labels):
            raise ValueError(f"dataset {dataset.name!r}: the {name} part has no readable image")
        _write_array(np.save, out / f"{name}.npy", labels)
        names = [" ".join(str(text).splitlines()) for side in sides for text in side["names"]]
        _write(out / f"{name}.txt", "".join(f"{text}\n" for text in names).encode())
        skipped += [(name, *row) for side in sides for row in side["skipped"]]
        if name == "train":
            for side in sides:
                sums.merge(Sums(int(side["count"]), side["pixels"], side["products"]))
        splits[name] = {
            "count": len(names),
            "skipped": sum(len(side["skipped"]) for side in sides),
            "class_counts": np.bincount(labels, minlength=len(dataset.class_names)).tolist(),
            "shards": [{"file": side["file"], "count": len(side["label"])} for side in sides],
        }
    _write_array(np.savez, out / records.STATISTICS, **sums.statistics().arrays())
    lines = ["\t".join(" ".join(str(field).split()) for field in row) + "\n" for row in skipped]
    _write(out / records.SKIPPED, "".join(lines).encode())
    description = {**plan, "files": json.loads((work / "plan.json").read_text())["files"], "splits": splits}
    _write(out / records.DESCRIPTION, (json.dumps(description, indent=1) + "\n").encode())
    shutil.rmtree(work)


def _write_array(save, path, *array, **arrays):
    partial = path.with_name(f"{path.name}.new")
    with open(partial, "wb") as file:
        save(file, *array, **arrays)
    _keep(partial, path)


def _write(path, data):
    partial = path.with_name(f"{path.name}.new")
    partial.write_bytes(data)
    _keep(partial, path)


def _keep(partial, path):
    """Gives a file its final name, once it is on the disk."""
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)
