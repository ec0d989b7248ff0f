"""Imports run one way."""

import ast
import pathlib

import pytest

import alexnet_tf

PACKAGE = pathlib.Path(alexnet_tf.__file__).parent
ALLOWED = {
    "models": {"models"},
    "data": {"data"},
    "evaluation": {"models", "data", "evaluation"},
    "training": {"models", "data", "evaluation", "training"},
    "serving": {"models", "data", "serving"},
    "figures": {"models", "data", "serving", "figures"},
    "experiments": {"models", "data", "evaluation", "training", "figures", "experiments"},
    "cli": {"models", "data", "evaluation", "training", "serving", "figures", "experiments", "cli"},
}


def _rooms_imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("alexnet_tf."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "alexnet_tf":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            names = (alias.name.split(".") for alias in node.names)
            yield from (name[1] for name in names if name[0] == "alexnet_tf" and len(name) > 1)


@pytest.mark.parametrize("room", ALLOWED)
def test_arrows(room):
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert files
    for file in files:
        assert set(_rooms_imported(file)) <= ALLOWED[room], file
