"""Files around the package agree with each other."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]


def _read(name):
    return (ROOT / name).read_text()


def test_pre_commit_has_the_linters_of_the_project():
    pinned = dict(re.findall(r'"(ruff|mypy)==([\d.]+)"', _read("setup.py")))
    assert set(pinned) == {"ruff", "mypy"}
    hooks = re.findall(r"\b(ruff|mypy)==([\d.]+)", _read(".pre-commit-config.yaml"))
    assert hooks and set(hooks) == set(pinned.items())


def test_the_image_gets_every_file_that_it_is_built_from():
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", _read("Dockerfile"), re.M) for name in line.split()
    }
    sent = {line[1:] for line in _read(".dockerignore").splitlines() if line.startswith("!")}
    assert copied == sent and all((ROOT / name).exists() for name in copied)


def test_workflows_name_tests_that_exist():
    named = re.findall(r"tests/\w+\.py", _read(".github/workflows/ci.yml"))
    assert named and all((ROOT / name).is_file() for name in named)


def test_the_readme_names_the_oldest_versions():
    floors = dict(re.findall(r"^(tensorflow|keras)>=([\d.]+),<\d+$", _read("requirements-inference.txt"), re.M))
    assert f"TensorFlow ({floors['tensorflow']} or newer) and Keras ({floors['keras']} or newer)" in _read("README.md")
