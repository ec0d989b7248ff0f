"""Imports run one way."""

import ast
import pathlib

import pytest

import alexnet_tf

PACKAGE = pathlib.Path(alexnet_tf.__file__).parent
# Modules beside the rooms, which import none of them.
LEAVES = {"errors", "locks", "optional", "storage", "stderr_filter"}
# Each room with those below it that it may import; every room may import itself and the modules beside the rooms.
BELOW = {
    "models": set(),
    "data": set(),
    "inference": {"models", "data"},
    "runs": {"models", "data", "inference"},
    "evaluation": {"models", "data", "inference", "runs"},
    "exporting": {"models", "data", "inference", "runs"},
    "plotting": {"models", "data", "inference", "runs"},
    "training": {"models", "data", "inference", "runs", "evaluation", "plotting"},
    "compression": {"models", "data", "inference", "runs", "evaluation", "exporting", "plotting", "training"},
    "experiments": {"models", "data", "inference", "runs", "evaluation", "plotting", "training"},
    "cli": {
        "models",
        "data",
        "inference",
        "runs",
        "evaluation",
        "exporting",
        "plotting",
        "training",
        "compression",
        "experiments",
    },
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


@pytest.mark.parametrize("room", BELOW)
def test_arrows(room):
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert files
    for file in files:
        assert set(_rooms_imported(file)) <= {room, *BELOW[room], *LEAVES}, file
