"""The results of an experiment: `results.md`, `results.tsv`, `results.json` and `plot.png`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf import storage
from alexnet_tf.experiments.experiment import Outcome, Plan, percent

PLOT = "plot.png"
FORMAT_VERSION = 1  # Of results.json.


def write(plan: Plan, outcome: Outcome) -> str:
    """Writes all files into the experiment's directory; returns the text of `results.md`."""
    from alexnet_tf.plotting import style

    style.save(outcome.draw(), plan.out / PLOT)
    text = _markdown(plan, outcome)
    storage.write_text(plan.out / "results.md", text)
    storage.write_text(plan.out / "results.tsv", _tsv(outcome.rows))
    results = {
        "experiment": plan.experiment.name,
        "quick": plan.quick,
        "settings": plan.settings,
        "recipe": dataclasses.asdict(plan.recipe),
        "variants": plan.experiment.variants,
        "rows": outcome.rows,
        "paper": plan.experiment.paper,
        "conclusion": outcome.conclusion,
    }
    storage.write_json(plan.out / "results.json", results, FORMAT_VERSION)
    return text


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table whose columns are aligned as plain text, too."""
    cells = [[name.replace("top1", "top-1").replace("top5", "top-5").replace("_", " ") for name in rows[0]]]
    cells += [[_cell(name, value) for name, value in row.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "not reached"
    if name.endswith("error"):
        return percent(value)
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [list(rows[0]), *(row.values() for row in rows)]
    return "".join("\t".join("" if cell is None else str(cell) for cell in line) + "\n" for line in lines)


def _markdown(plan: Plan, outcome: Outcome) -> str:
    recipe, network = plan.recipe, plan.recipe.network
    max_epochs = plan.settings.get("max_epochs")
    epochs = f"at most {max_epochs} epochs" if max_epochs else f"{recipe.epochs} epochs"
    length = f"{recipe.steps:,} steps" if recipe.steps else epochs
    return (
        f"# {plan.experiment.summary}\n\n"
        f"{recipe.dataset}, network `{network.name}` at {recipe.resize_crop.crop} pixels, width {recipe.width:g}, "
        f"{recipe.optimizer}, {length} with a batch size of {recipe.batch_size}, seed {recipe.seed}"
        f"{', --quick' if plan.quick else ''}.\n\n"
        f"{table(outcome.rows)}\n\n![{plan.experiment.summary}]({PLOT})\n\n"
        f"**Paper:** {plan.experiment.paper}\n\n**Here:** {outcome.conclusion}\n"
    )
