"""Hostile `.pth` and `.npy` files: refused with one error, without executing anything, in little memory."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn
from weight_files import LEGACY, Code, assert_refused, npy_of, plain_npy, saved


def _zip(pickled, *storages, compression=zipfile.ZIP_STORED):
    """A `.pth` of a pickle and the bytes of storages."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("net/data.pkl", pickled)
        for i, data in enumerate(storages):
            archive.writestr(f"net/data/{i}", data)
    return out.getvalue()


def _tensor(shape, count, strides=None, name=b"torch._utils\n_rebuild_tensor_v2\n", offset=0):
    """A pickle of {"conv1.weight": a tensor} in a storage of `count` numbers."""
    strides = tuple(np.cumprod((1, *shape[:0:-1]), dtype=object)[::-1]) if strides is None else strides
    numbers = [pickle.dumps(value, 2)[2:-1] for value in (count, offset, tuple(shape), tuple(map(int, strides)))]
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu" + numbers[0] + b"tQ"
    rebuilt = b"c" + name + b"(" + storage + b"".join(numbers[1:]) + b"\x89}tR"
    return b"\x80\x02}X\x0c\0\0\0conv1.weight" + rebuilt + b"s."


_ZEROS, _SHARED, _NUMBERS = torch.zeros(4), torch.zeros(1000), np.zeros(1000)
HOSTILE_PTH = {
    "code": (lambda: saved({"conv1.weight": Code(os.system, "touch secret")}), "names posix.system, which is code"),
    "code, legacy": (lambda: saved({"conv1.weight": Code(eval, "1")}, **LEGACY), "names __builtin__.eval"),
    "a module": (lambda: saved(nn.Linear(1, 1)), "names torch.nn.modules.linear.Linear"),
    "sparse": (lambda: saved({"conv1.weight": _ZEROS.to_sparse()}), "names torch._utils._rebuild_sparse_tensor"),
    "numbered": (lambda: saved({1: _ZEROS}), "a key of type int"),
    "a checkpoint": (lambda: saved({"state_dict": {}, "epoch": 1}), "'state_dict' is a dict, not a tensor"),
    "integers": (lambda: saved({"conv1.weight": torch.zeros(4, dtype=torch.int64)}), "floating-point"),
    "expanded": (lambda: saved({"conv1.weight": _ZEROS[:1].expand(10**6, 10**6)}), "a storage of 4 numbers"),
    "shared": (lambda: saved({f"{i}.weight": _SHARED for i in range(1000)}), "must not share numbers"),
    "huge shape": (lambda: _zip(_tensor((2**40, 2**20), 4), bytes(16)), "in a storage of 4 numbers"),
    "huge storage": (lambda: _zip(_tensor((2**40,), 2**40), bytes(16)), "declares 4398046511104 bytes and holds 16"),
    "no storage": (lambda: _zip(_tensor((4,), 4)), "declares 16 bytes and holds 0"),
    "outside": (lambda: _zip(_tensor((2,), 4, offset=3), bytes(16)), "in a storage of 4 numbers"),
    "negative": (lambda: _zip(_tensor((4,), 4, strides=(-1,)), bytes(16)), "valid shape"),
    "negative storage": (lambda: _zip(_tensor((4,), -4), bytes(16)), "in a storage of -4"),
    "compressed": (
        lambda: _zip(_tensor((2**24,), 2**24), bytes(2**24), compression=zipfile.ZIP_DEFLATED),
        "larger inside",
    ),
    "long bytes": (lambda: _zip(b"\x80\x04\x8e" + b"\xff" * 6 + b"\0\0."), "expected 281474976710655 bytes"),
    "far memo": (lambda: _zip(b"\x80\x02]r\xff\xff\xff\x7f."), "no state dict"),
    "deep": (lambda: _zip(b"\x80\x02)" + b"\x85" * 10**5 + b"."), "no state dict"),
    "text": (lambda: _zip(b"hello"), "must be a complete .pth"),
    "no pickle": (lambda: _zip(b"").replace(b"data.pkl", b"data.pkx"), "a zip without data.pkl"),
}


@pytest.mark.parametrize("name", HOSTILE_PTH)
def test_hostile_pth(name, tmp_path):
    data, message = HOSTILE_PTH[name]
    (tmp_path / "net.pth").write_bytes(data())
    assert_refused(tmp_path / "net.pth", message)


def _array_state(shape, data, dtype="f4"):
    """An object that pickles as an array with a state of our own."""
    array = Code(np._core.multiarray._reconstruct, np.ndarray, (0,), b"b")
    reduced = array.__reduce__()
    code = Code(np.dtype, dtype, False, True)
    array.__reduce__ = None
    return _WithState(reduced, (1, shape, code, False, data))


class _WithState:
    def __init__(self, reduced, state):
        self.reduced = (*reduced, state)

    def __reduce__(self):
        return self.reduced


HOSTILE_NPY = {
    "code": (lambda: npy_of(Code(os.system, "touch secret")), "names posix.system, which is code"),
    "code inside": (lambda: npy_of(np.array({"conv1": Code(eval, "1")}, object)), "names builtins.eval"),
    "huge": (lambda: npy_of(np.array({"conv1": [_array_state((2**40,), b"1234")] * 2}, object)), "number of bytes"),
    "reserved": (
        lambda: npy_of(Code(np._core.multiarray._reconstruct, np.ndarray, (2**40,), b"b")), "no dictionary of layers",
    ),
    "text": (lambda: npy_of(np.array({"conv1": [np.array(["a"])] * 2}, object)), "not a floating-point number"),
    "one array": (lambda: npy_of(np.array({"conv1": [np.zeros(3)]}, object)), "not a kernel and a bias"),
    "numbers": (lambda: npy_of(np.array({"conv1": 3}, object)), "not a kernel and a bias"),
    "a list": (lambda: npy_of([1]), "no dictionary of layers"),
    "shared": (
        lambda: npy_of(np.array({str(i): [_NUMBERS] * 2 for i in range(1000)}, object)), "must not share numbers",
    ),
    "plain": (lambda: plain_npy(np.zeros(3)), "must be a .npy file of a dictionary"),
    "long bytes": (lambda: npy_of(None)[:-2] + b"\x8e" + b"\xff" * 6 + b"\0\0.", "expected 281474976710655 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NPY)
def test_hostile_npy(name, tmp_path):
    data, message = HOSTILE_NPY[name]
    (tmp_path / "net.npy").write_bytes(data())
    assert_refused(tmp_path / "net.npy", message)
