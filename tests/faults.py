"""Kills and failures at every change that a piece of work makes in a directory.

A work's opens for writing, renames, removals, new directories and fsyncs inside the directory are counted. One of them
fails, or is the last thing that the process does. What C++ code writes between two of them is cut short at the fsync
that follows it.
"""

import errno
import os
import pathlib
import shutil
import sys

MODES = ("kill", "torn", "fail")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.symlink"}


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the code does while it unwinds changes the directory any more."""


class Faults:
    """Within the context, one change of a directory goes wrong.

    Args:
        root: the directory.
        number: of the change, counted from 0; none goes wrong if not given.
        mode: "kill": it is not made, and nothing after it; "torn": the same, and the file that was to reach the disk
            has lost its second half; "fail": it is refused as on a full disk, and all others are made.

    Attributes:
        changes: (kind, file name) of each change so far.
    """

    _active = None

    def __init__(self, root, number=None, mode="kill"):
        self._root, self._number, self._mode, self._dead = os.path.realpath(root), number, mode, False
        self.changes = []

    def __enter__(self):
        Faults._active = self
        return self

    def __exit__(self, *_):
        Faults._active = None

    def happens(self, kind, path):
        """Called before every change of any file; raises if this one goes wrong."""
        path = os.path.realpath(os.fsdecode(path))
        if not path.startswith(self._root + os.sep):
            return
        if self._dead:
            raise Killed
        number = len(self.changes)
        self.changes.append((kind, os.path.basename(path)))
        if number != self._number:
            return
        if self._mode == "fail":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        if self._mode == "torn" and kind == "fsync":
            os.truncate(path, os.path.getsize(path) // 2)
        self._dead = True
        raise Killed


def _audit(event, args):
    if Faults._active is None or event not in _EVENTS:
        return
    faults, Faults._active = Faults._active, None  # Not for what happens in here.
    try:
        path = args[0]
        if event == "open" and (isinstance(path, int) or not args[2] & _WRITING):
            return
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        folder = args[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else -1
        if isinstance(folder, int) and folder >= 0:
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))
        faults.happens(event, path)
    finally:
        Faults._active = faults


sys.addaudithook(_audit)
_fsync = os.fsync


def _counted_fsync(descriptor):
    if Faults._active is not None:
        faults, Faults._active = Faults._active, None
        try:
            faults.happens("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        finally:
            Faults._active = faults
    _fsync(descriptor)


os.fsync = _counted_fsync


class Scenario:
    """A piece of work whose every change is to go wrong once.

    Args:
        scratch: directory for copies.
        template: directory that is copied before each attempt.
        work: called with the copy.
        check: called with the copy after something went wrong: what was whole is whole.
        finished: called with the copy after the work was done again.
    """

    def __init__(self, scratch, template, work, check, finished):
        self._root, self._template = pathlib.Path(scratch) / "copy", template
        self._work, self._check, self._finished = work, check, finished

    def changes(self):
        """The changes that the work makes."""
        self._fresh()
        with Faults(self._root) as faults:
            self._work(self._root)
        self._finished(self._root)
        return faults.changes

    def attempt(self, number, mode):
        """Lets one change go wrong, checks, does the work again, and checks that."""
        self._fresh()
        try:
            with Faults(self._root, number, mode) as faults:
                self._work(self._root)
        except (Killed, OSError, ValueError):  # SaveError is a ValueError.
            pass
        assert len(faults.changes) > number, "the change was not reached"
        self._check(self._root)
        self._work(self._root)
        self._finished(self._root)
        leftovers = [path for path in self._root.rglob("*") if path.name.startswith((".partial", ".lock"))]
        assert not leftovers, leftovers

    def attempts(self, modes=MODES, every=1):
        """(number, mode) of every attempt, or of some of them; torn files only where there is an fsync."""
        self.kinds = self.changes()
        all_of_them = [
            (n, mode) for n, (kind, _) in enumerate(self.kinds) for mode in modes if mode != "torn" or kind == "fsync"
        ]
        return all_of_them[::every]

    def _fresh(self):
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.copytree(self._template, self._root)
