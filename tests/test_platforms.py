"""Platforms that lack what Linux has, and installations that lack optional packages."""

import io
import os
import pathlib
import subprocess
import sys

import helpers
import pytest
import without_packages

from alexnet_tf import storage
from alexnet_tf.cli import common
from alexnet_tf.data import tar_members
from alexnet_tf.data.record_files import allow_open_files
from alexnet_tf.exporting import replacing


def test_every_module_and_the_main_commands_do_without_optional_packages(tmp_path):
    folder = helpers.dark_and_light(tmp_path / "photos")
    arguments = [sys.executable, "-P", without_packages.__file__, folder, folder / "val" / "dark" / "0.png"]
    path = os.pathsep.join([str(pathlib.Path(storage.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_reading_a_tar_without_pread(tmp_path, monkeypatch):
    (tmp_path / "a.tar").write_bytes(helpers.tar_of({"a/1.jpg": b"first", "b/2.jpg": b"second"}))
    members = list(tar_members.members(tmp_path / "a.tar", "tar:a"))
    for _ in range(2):
        assert [tar_members.read_member(member) for member in members] == [b"first", b"second"]
        with pytest.raises(OSError, match="a.tar is truncated"):
            tar_members.read_member(members[-1]._replace(size=1 << 20))
        monkeypatch.delattr(os, "pread", raising=False)


def test_many_shards_without_a_limit_of_open_files(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    allow_open_files(10**9)


def test_a_directory_is_replaced_where_the_c_library_has_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: pytest.fail("CDLL(None) is a TypeError on Windows"))
    assert not replacing.exchange(tmp_path, tmp_path)


def test_a_file_that_is_read_meanwhile_is_replaced_a_little_later(tmp_path, monkeypatch):
    (tmp_path / "new").write_text("new")
    refusals = [PermissionError(13, "in use")] * 3

    def replace(source, target):
        if refusals:
            raise refusals.pop()
        pathlib.Path(source).rename(target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(storage, "_REPLACE_SECONDS", 5.0)
    storage.move(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"
    monkeypatch.setattr(storage, "_REPLACE_SECONDS", 0.0)
    refusals.append(PermissionError(13, "in use"))
    with pytest.raises(PermissionError):
        storage.move(tmp_path / "old", tmp_path / "new")


def test_text_that_the_terminal_cannot_show_is_written_out(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), "cp1252", newline="\n")
    monkeypatch.setattr(sys, "stdout", terminal)
    common.print_any_text()
    print("schön 犬")
    terminal.flush()
    assert terminal.buffer.getvalue() == "schön \\u72ac\n".encode("cp1252")


def test_gpu_memory_is_taken_as_it_is_needed():
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"  # Set by `import alexnet_tf`.
