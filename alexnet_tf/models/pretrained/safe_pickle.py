"""Reads pickles as data. Nothing in a pickle is imported or executed.

Python's own unpickler calls whatever a pickle names, and reserves as much memory as a pickle declares. This one is a
stack machine over `pickletools.genops`, a disassembler that never reads more than the file holds. It knows only the
operations that tensors and arrays need, and only the names that its caller explains.
"""

import pickletools
from collections.abc import Callable, Mapping
from typing import IO, Any

_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict,
}  # fmt: skip
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip


def read_pickle(file: IO[bytes], names: Mapping[str, Any], persistent: Callable[[Any], Any] | None = None) -> Any:
    """Reads one pickle from a file, and leaves the file at its end.

    Args:
        file: opened for reading bytes.
        names: what each global name that may occur stands for: from "module name" to a value, or to a function that
            is called where the pickle calls that name.
        persistent: what a persistent id stands for; None if there may be none.

    Returns:
        Tuples, lists, dictionaries with keys of text, strings, numbers, and what `names` and `persistent` give.
        Strings of Python 2 are decoded as Latin-1. An object with a method `set_state` receives its state.

    Raises:
        ValueError: if the pickle is damaged, or has a name or an operation that is not data.
    """
    machine = _Machine(names, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.run(opcode.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"damaged pickle ({error!r:.100})") from error
    raise ValueError("damaged pickle without an end")


class _Machine:
    """The stack, the stacks below the marks, and the memo of a pickle."""

    def __init__(self, names: Mapping[str, Any], persistent: Callable[[Any], Any] | None) -> None:
        self.names = names
        self.persistent = persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, operation: str, argument: Any) -> None:
        """Does one operation by its name in `pickletools`."""
        if operation in _CONSTANTS:
            self.stack.append(_CONSTANTS[operation]())
        elif operation in _VALUES:
            self.stack.append(argument)
        elif operation in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
        elif operation in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif operation == "GLOBAL":
            self._name(argument)
        elif operation not in ("PROTO", "FRAME"):
            method = _OPERATIONS.get(operation)
            if method is None:
                raise ValueError(f"operation {operation}, which tensors do not need")
            method(self)

    def _name(self, name: str) -> None:
        if name not in self.names:
            raise ValueError(f"it names {name.replace(' ', '.', 1)[:80]}, which is code or an unknown type")
        self.stack.append(self.names[name])

    def _stack_global(self) -> None:
        name = self.stack.pop()
        self._name(f"{self.stack.pop()} {name}")

    def _mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _tuple(self, count: int | None = None) -> None:
        if count is None:
            items = self._since_mark()
        else:
            items = [self.stack.pop() for _ in range(count)][::-1]
        self.stack.append(tuple(items))

    def _list(self) -> None:
        items = self._since_mark()
        self.stack.append(items)

    def _dict(self) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._set_items(items)

    def _append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("damaged pickle that appends to what is not a list")
        self.stack[-1].extend(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise ValueError("damaged pickle that sets items of what is not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is not str:
                raise ValueError(f"a key of type {type(key).__name__} instead of text")
            target[key] = value

    def _set_item(self) -> None:
        value = self.stack.pop()
        self._set_items([self.stack.pop(), value])

    def _call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not callable(function) or type(arguments) is not tuple:
            raise ValueError("damaged pickle that calls what is not a function")
        self.stack.append(function(*arguments))

    def _build(self) -> None:
        state = self.stack.pop()
        if type(self.stack[-1]) is not dict:  # The attributes of an OrderedDict are of no interest.
            self.stack[-1].set_state(state)

    def _persistent_id(self) -> None:
        if self.persistent is None:
            raise ValueError("damaged pickle with a persistent id")
        self.stack.append(self.persistent(self.stack.pop()))


_OPERATIONS: dict[str, Callable[[_Machine], None]] = {
    "MARK": _Machine._mark,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine: machine._tuple(1),
    "TUPLE2": lambda machine: machine._tuple(2),
    "TUPLE3": lambda machine: machine._tuple(3),
    "LIST": _Machine._list,
    "DICT": _Machine._dict,
    "APPEND": lambda machine: machine._append([machine.stack.pop()]),
    "APPENDS": lambda machine: machine._append(machine._since_mark()),
    "SETITEM": _Machine._set_item,
    "SETITEMS": lambda machine: machine._set_items(machine._since_mark()),
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._call,
    "BUILD": _Machine._build,
    "BINPERSID": _Machine._persistent_id,
}
