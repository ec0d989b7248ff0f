"""What an experiment leaves: `results.tsv`, `results.json`, `results.md` and `plot.png`."""

import json

from alexnet_tf.experiments.experiment import percent
from alexnet_tf.plotting import experiment_plots

PLOT = "plot.png"


def write(plan, outcome):
    """Writes all files into the experiment's directory; returns the text of `results.md`."""
    experiment_plots.save(outcome.draw, plan.out / PLOT)
    text = _markdown(plan, outcome)
    (plan.out / "results.md").write_text(text)
    (plan.out / "results.tsv").write_text(_tsv(outcome.rows))
    about = {
        "experiment": plan.experiment.name, "quick": plan.quick, "settings": plan.settings,
        "recipe": json.loads(plan.recipe.to_json()), "variants": plan.experiment.variants, "rows": outcome.rows,
        "paper": plan.experiment.paper, "finding": outcome.finding,
    }  # fmt: skip
    (plan.out / "results.json").write_text(json.dumps(about, indent=2) + "\n")
    return text


def table(rows):
    """The rows as a Markdown table whose columns are also aligned as plain text."""
    cells = [[name.replace("top1", "top-1").replace("top5", "top-5").replace("_", " ") for name in rows[0]]]
    cells += [[_cell(name, value) for name, value in row.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _cell(name, value):
    if value is None:
        return "not reached"
    if "error" in name:
        return percent(value)
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _tsv(rows):
    lines = [list(rows[0]), *(row.values() for row in rows)]
    return "".join("\t".join("" if cell is None else str(cell) for cell in line) + "\n" for line in lines)


def _markdown(plan, outcome):
    recipe, network = plan.recipe, plan.recipe.network()
    most = plan.settings.get("most_epochs")
    epochs = f"at most {most} epochs" if most else f"{recipe.epochs} epochs"
    size = f"{recipe.steps:,} steps" if recipe.steps else epochs
    return (
        f"# {plan.experiment.summary}\n\n"
        f"{recipe.dataset}, network `{network.name}` at {recipe.resize_crop.crop} pixels, width {recipe.width:g}, "
        f"{recipe.optimizer}, {size} in batches of {recipe.batch_size}, seed {recipe.seed}"
        f"{', --quick' if plan.quick else ''}.\n\n"
        f"{table(outcome.rows)}\n\n![{plan.experiment.summary}]({PLOT})\n\n"
        f"**The paper:** {plan.experiment.paper}\n\n**Here:** {outcome.finding}\n"
    )
