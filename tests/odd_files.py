"""What a file can be replaced by that is no file, or another one; and arrays that are not what their reader expects."""

import io
import os
import zipfile

import numpy as np


def replace(file, rng):
    """Replaces a file by nothing, an empty one, a folder, a pipe, a device or a link to itself."""
    kind = rng.randrange(6)
    file.unlink()
    if kind == 1:
        file.touch()
    elif kind == 2:
        file.mkdir()
    elif kind == 3:
        os.mkfifo(file)
    elif kind > 3:
        file.symlink_to("/dev/zero" if kind == 4 else file.name)


def swap(files, rng):
    """Exchanges two files with each other."""
    one, other = rng.sample(files, 2)
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def npy(shape, kind="f4"):
    """An `.npy` file that declares an array of a shape, with hardly any numbers in it."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": f"<{kind}", "fortran_order": False, "shape": shape})
    return out.getvalue() + bytes(64)


ARRAYS = (
    npy((10**6, 10**6, 3)), npy((2**62,)), npy((60_000, 60_000, 3)), npy((4, 4, 3)), npy(()), npy((0, 0, 3)),
    npy((-1,)), npy((3,), "M8[s]"), npy((10**5, 10**5), "i4"), npy((3,), "U9999999"),
    npy((8,), "i8"),  # Whole, but of no use.
)  # fmt: skip


def arrays(rng):
    """The bytes of an array that a reader cannot use, or that takes memory."""
    if rng.random() < 0.2:
        out = io.BytesIO()
        np.save(out, np.array([{}, "x"], object), allow_pickle=True)
        return out.getvalue()
    return rng.choice(ARRAYS)


def change_an_archive(file, rng):
    """Replaces or deletes one array of an `.npz` file, or compresses all of them."""
    with np.load(file) as archive:
        saved = dict(archive)
    if rng.random() < 0.2:
        return np.savez_compressed(file, **saved, more=np.zeros(10**8, np.uint8))
    name = rng.choice(sorted(saved))
    with zipfile.ZipFile(file, "w") as archive:
        for key, array in saved.items():
            out = io.BytesIO()
            np.save(out, array)
            data = arrays(rng) if key == name else out.getvalue()
            if key != name or rng.random() < 0.8:
                archive.writestr(f"{key}.npy", data)
    return None
