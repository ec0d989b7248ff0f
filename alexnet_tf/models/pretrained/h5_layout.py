"""Finds the arrays in a `.weights.h5` file: where they are, without reading them.

`keras_h5` runs this file as a script, because the HDF5 library can hang or crash on damaged files. It must not import
anything of this package.
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import h5py

# Of processor time, and of memory: hundreds of times what the largest AlexNet takes.
MAX_SECONDS, MAX_BYTES = 1, 2 << 30


def find_arrays(path: str) -> list[tuple[str, str, str, list[int], int]]:
    """Returns (layer, array, dtype, shape, position in the file) of all arrays of all layers.

    Only plain arrays are accepted that are in the file itself: no links, no data in other files, no compression.

    Raises:
        OSError, KeyError, ValueError, and others: if the file is not as `keras.Model.save_weights` writes it.
    """
    with h5py.File(path, "r") as file:
        arrays = []
        layers = _child(file, "layers", h5py.Group)
        for layer in layers:
            group = _child(_child(layers, layer, h5py.Group), "vars", h5py.Group)
            if not group.keys():
                continue
            if group.attrs.get_id("name").shape != ():
                raise ValueError("a name that is not text")
            name = str(group.attrs["name"])
            arrays += [(name, *array) for array in _arrays(group)]
        return arrays


def _arrays(group: h5py.Group) -> Iterator[tuple[str, str, list[int], int]]:
    for key in sorted(group, key=int):
        dataset = _child(group, key, h5py.Dataset)
        properties = dataset.id.get_create_plist()
        if properties.get_external_count():
            raise ValueError(f"{dataset.name} has its numbers in another file, which is not opened")
        position = dataset.id.get_offset()
        if properties.get_layout() != h5py.h5d.CONTIGUOUS or position is None:
            raise ValueError(f"{dataset.name} declares {dataset.nbytes} bytes that are not stored in one piece")
        yield key, dataset.dtype.str, list(dataset.shape), position


def _child(group: h5py.Group, name: str, kind: type) -> Any:
    """A group or a dataset, without following links to other files, or to other places of this one."""
    if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{group.name}/{name} is a link, which is not followed")
    child = group[name]
    if not isinstance(child, kind):
        raise ValueError(f"{child.name} is not a {kind.__name__.lower()}")
    return child


def _limit() -> None:
    """Lets the operating system end this process if it does not come to an end by itself."""
    try:
        import resource
    except ImportError:  # On Windows.
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + MAX_SECONDS
    for kind, limit in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, MAX_BYTES), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):  # Not every system has each limit, or a lower one is set.
            resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    _limit()
    try:
        print(json.dumps(find_arrays(sys.argv[1])))
    except Exception as error:  # Whatever a damaged file makes of the library; `keras_h5` shows the message.
        sys.exit(f"{error}")
