"""The help of a command: its docstring, then its flags in groups, each with its default."""

import re
import shutil
import textwrap
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from absl import flags

_INDENT = 30


def of_command(program: str, module: ModuleType) -> str:
    """The text that `alexnet-tf COMMAND --help` prints.

    Args:
        program: what the command line begins with, which absl takes for the name of the command's module.
        module: the command's module. It may define `GROUPS`, a dictionary from a heading to names of flags, and
            `DEFAULTS`, a dictionary from names of flags whose absl default is None to what they mean when left out.
    """
    by_name = {flag.name: flag for flag in flags.FLAGS.get_key_flags_for_module(program)}
    groups = {title: [by_name[name] for name in names] for title, names in getattr(module, "GROUPS", {}).items()}
    grouped = {flag.name for members in groups.values() for flag in members}
    rest = [flag for flag in by_name.values() if flag.name not in grouped]
    sections = {**groups, "other flags" if groups else "flags": rest}
    defaults = getattr(module, "DEFAULTS", {})
    blocks = [(module.__doc__ or "").strip()]
    blocks += [_section(title, members, defaults) for title, members in sections.items() if members]
    return "\n\n".join(blocks)


def _section(title: str, members: Iterable[flags.Flag], defaults: dict[str, Any]) -> str:
    return "\n".join([f"{title}:", *(_flag(flag, defaults.get(flag.name)) for flag in members)])


def _flag(flag: flags.Flag, default: Any) -> str:
    """One flag: its name and type on the left, its help and default wrapped on the right."""
    if flag.boolean:
        left = f"  --[no]{flag.name}"
    else:
        left = f"  --{flag.name}={_type(flag)}"
    known = flag.default if default is None else default
    shown = "" if known in (None, "", []) else f" (default: {_value(known)})"
    width = max(40, min(shutil.get_terminal_size().columns, 120) - _INDENT)
    text = re.sub(r"^<[^>]*>: ", "", flag.help)  # absl repeats the choices of an enumeration there.
    lines = textwrap.wrap(f"{text}{shown}", width)
    if len(left) >= _INDENT:
        lines = [left, *(" " * _INDENT + line for line in lines)]
    else:
        lines = [left.ljust(_INDENT) + lines[0], *(" " * _INDENT + line for line in lines[1:])]
    return "\n".join(lines)


def _type(flag: flags.Flag) -> str:
    choices = getattr(flag.parser, "enum_values", None)
    return "|".join(choices) if choices else {"int": "N", "float": "X"}.get(flag.flag_type(), "TEXT")


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
