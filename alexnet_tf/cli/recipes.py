"""Prints the recipes side by side, or one as JSON that `alexnet-tf train --recipe=FILE.json` accepts.

alexnet-tf recipes
alexnet-tf recipes demo > my_recipe.json
"""

import dataclasses
import json
from typing import Any

from alexnet_tf import storage
from alexnet_tf.cli import common
from alexnet_tf.errors import UserError
from alexnet_tf.runs.recipe import FORMAT_VERSION, Recipe
from alexnet_tf.runs.recipes import RECIPES, get_recipe


def main(argv: list[str]) -> None:
    """Prints the table, or the recipe that the command line names."""
    if len(argv) > 2:
        raise UserError(f"arguments must be at most one recipe, got {' '.join(argv[1:])}")
    if len(argv) == 2:
        fields = dataclasses.asdict(get_recipe(argv[1]))
        print(json.dumps({storage.FORMAT_VERSION: FORMAT_VERSION, **fields}, indent=2))
        return
    names = [field.name for field in dataclasses.fields(Recipe)]
    rows = [[name, *(_cell(getattr(recipe, name)) for recipe in RECIPES.values())] for name in names]
    different = [row for row in rows if len(set(row[1:])) > 1]
    widths = [max(map(len, column)) + 2 for column in zip(*different, strict=True)]
    for row in different:
        print("".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\nFields that are the same in all recipes are left out; alexnet-tf recipes NAME prints all.")


def _cell(value: Any) -> str:
    """A value as text; `-` for None and empty tuples."""
    if isinstance(value, tuple):
        return ",".join(":".join(map(str, _parts(item))) for item in value) or "-"
    return "-" if value is None else str(value)


def _parts(item: Any) -> tuple[Any, ...]:
    return tuple(vars(item).values()) if dataclasses.is_dataclass(item) else (item,)


if __name__ == "__main__":
    common.run(main)
