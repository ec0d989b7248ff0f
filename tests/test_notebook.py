"""The notebook runs from top to bottom."""

import json
import pathlib
import re

NOTEBOOK = pathlib.Path(__file__).parents[1] / "docs" / "alexnet.ipynb"
SMALL = {"STEPS": "2", "WIDTH": "1 / 16"}


def _cells(kind):
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def test_every_cell_runs_on_small_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(_cells("code")).replace("%matplotlib inline", "")
    for name, value in SMALL.items():
        code, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", code, flags=re.M)
        assert count == 1, name
    exec(compile(code, str(NOTEBOOK), "exec"), {})
    shown = capsys.readouterr().out
    assert "conv2: input  96 channels, each kernel sees  48\n" in shown
    assert "held-out images; guessing: 90 %" in shown and shown.count("%\n") >= 3


def test_links_lead_to_pages():
    links = re.findall(r"\]\(([^):]+)\)", "\n".join(_cells("markdown")))
    assert links and all((NOTEBOOK.parent / link).is_file() for link in links)


def test_outputs_show_pictures_and_no_errors():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    assert all(output["output_type"] != "error" for output in outputs)
    assert NOTEBOOK.stat().st_size < 2_000_000
