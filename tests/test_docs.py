"""README and docs: links, images and anchors exist, and commands and functions are as the code has them."""

import dataclasses
import inspect
import pathlib
import re
import shlex

import pytest

import alexnet_tf
from alexnet_tf.cli.main import COMMANDS
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.training.options import Options

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = sorted(path.relative_to(ROOT) for pattern in ("*.md", "docs/*.md", "export/apps/**/README.md")
               for path in ROOT.glob(pattern) if "node_modules" not in path.parts)  # fmt: skip


def _anchors(page):
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_relative_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def _flags(command):
    folder = ROOT / "alexnet_tf" / "cli"
    source = (folder / f"{command}.py").read_text()
    if "adopt_module_key_flags(model_flags)" in source:
        source += (folder / "model_flags.py").read_text()
    names = set(re.findall(r"DEFINE_\w+\(\s*\"(\w+)\"", source))
    owners = (Recipe, Options) if command == "train" else ()
    return names | {field.name for owner in owners for field in dataclasses.fields(owner)}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_have_the_flags_that_are_shown(page):
    text = (ROOT / page).read_text().replace("\\\n", " ")
    for line in re.findall(r"(?<!pip install )\balexnet-tf ([a-z]+(?: .*)?)$", text, re.M):
        command, *rest = shlex.split(line.partition("#")[0].partition("`")[0].partition(";")[0], posix=False)
        if command == "help":
            continue
        assert command in COMMANDS, line
        for name in re.findall(r"^--(?:no)?(\w+)", "\n".join(rest), re.M):
            known = _flags(command)
            assert name in known or f"no{name}" in known, (line, name)


def test_the_api_page_lists_every_public_name_with_its_arguments():
    entries = re.findall(r"^- \[`(\w+)(?:\((.+)\))?`\]", (ROOT / "docs/api.md").read_text(), re.M)
    assert sorted(name for name, _ in entries) == sorted(alexnet_tf.__all__)
    for name, shown in entries:
        if shown:
            arguments = [argument.partition("=")[0].strip("* ") for argument in shown.split(",")]
            given = [argument for argument in arguments if argument not in ("", "…")]  # A bare `*` becomes "".
            known = list(inspect.signature(getattr(alexnet_tf, name)).parameters)
            assert given == (known[: len(given)] if "…" in arguments else known), name
