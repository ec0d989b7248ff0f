"""Dataclass fields that carry their own facts: what they mean, what is allowed, and where `--help` lists them.

Validation, command-line flags and the help text are derived from them.
"""

import dataclasses
import sys
import types
import typing
from collections.abc import Sequence
from typing import Any

from alexnet_tf.errors import UserError

GROUPS = ("data", "network", "optimization", "augmentation", "run")
_METADATA = "facts"
_WORDS = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a field.

    Attributes:
        help: one line for `--help`.
        group: the section of `--help`, one of `GROUPS`.
        choices: the values that are allowed, if they can be listed.
        at_least, above, below: bounds of a number; None for no bound.
        if_none: what None, as a default, stands for.
        defines_network: whether another value makes another network, one that the same weights do not fit.
        may_change: whether a run may be resumed with another value.
    """

    help: str
    group: str
    choices: tuple[str, ...] | None = None
    at_least: float | None = None
    above: float | None = None
    below: float | None = None
    if_none: str | None = None
    defines_network: bool = False
    may_change: bool = False

    @property
    def bounds(self) -> str:
        """The bounds of a number in words: "at least 0 and below 1"; empty if there are none."""
        named = (("at least", self.at_least), ("above", self.above), ("below", self.below))
        return " and ".join(f"{name} {bound:g}" for name, bound in named if bound is not None)

    def allow(self, value: float) -> bool:
        """Whether a number lies within the bounds."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


def field(default: Any, group: str, help_text: str, **facts: Any) -> Any:
    """A dataclass field with a default and its `Facts`."""
    return dataclasses.field(default=default, metadata={_METADATA: Facts(help_text, group, **facts)})


def facts_of(kind: type) -> dict[str, Facts]:
    """The `Facts` of each field of a dataclass that has them, by name."""
    return {each.name: each.metadata[_METADATA] for each in dataclasses.fields(kind) if _METADATA in each.metadata}


def types_of(kind: type) -> dict[str, type]:
    """The type of each field of a dataclass, by name: `int` for `int | None` too."""
    return {name: _without_none(hint) for name, hint in typing.get_type_hints(kind).items()}


def check(instance: Any) -> None:
    """Checks types, choices and bounds of a dataclass instance's fields.

    Raises:
        UserError: naming the first field that is wrong, what is allowed and what was received.
    """
    facts, hints = facts_of(type(instance)), typing.get_type_hints(type(instance))
    for name, hint in hints.items():
        value = getattr(instance, name)
        if value is None and type(None) in typing.get_args(hint):
            continue
        _check_type(name, value, _without_none(hint))
        if name in facts:
            _check_value(name, value, facts[name])


def from_json(kind: type, values: Any) -> Any:
    """An instance of a dataclass from what `dataclasses.asdict` and JSON made of one.

    Raises:
        UserError: if fields are unknown or missing, or a value is not allowed.
    """
    hints = typing.get_type_hints(kind)
    if not isinstance(values, dict):
        raise UserError(f"{kind.__name__} must be an object with fields {', '.join(hints)}, got {values!r}")
    for problem, names in (("unknown", values.keys() - hints.keys()), ("missing", hints.keys() - values.keys())):
        if names:
            raise UserError(f"{kind.__name__} has {problem} fields: {', '.join(sorted(names))}")
    return kind(**{name: _tuple_from_json(hints[name], value) for name, value in values.items()})


def _tuple_from_json(hint: Any, value: Any) -> Any:
    """JSON has no tuples; everything but lists stays as it is."""
    if typing.get_origin(hint) is not tuple or not isinstance(value, list):
        return value
    item = typing.get_args(hint)[0]
    nested = dataclasses.is_dataclass(item)
    return tuple(from_json(item, each) if nested else each for each in value)


def one_of(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Raises UserError unless a value is one of those allowed."""
    if value not in allowed:
        raise UserError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")


def _without_none(hint: Any) -> Any:
    options = [option for option in typing.get_args(hint) if option is not type(None)]
    return options[0] if isinstance(hint, types.UnionType) else hint


def _check_type(name: str, value: Any, hint: Any) -> None:
    """Raises UserError unless a value is of the type; a whole number counts as a number, a bool does not."""
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        if not isinstance(value, tuple) or not all(_is(each, item) for each in value):
            raise UserError(f"{name} must be a tuple of {item.__name__}, got {value!r}")
    elif not _is(value, hint):
        raise UserError(f"{name} must be {_WORDS.get(hint, hint.__name__)}, got {value!r}")


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _check_value(name: str, value: Any, facts: Facts) -> None:
    if facts.choices:
        one_of(name, value, facts.choices)
    if not isinstance(value, (int, float)):
        return
    if not abs(value) <= sys.float_info.max:  # Whole numbers may be larger than any float.
        raise UserError(f"{name} must be finite, got {value!s:.30}")
    if not facts.allow(value):
        raise UserError(f"{name} must be {facts.bounds}, got {value}")
