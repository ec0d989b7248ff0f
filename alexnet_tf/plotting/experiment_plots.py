"""The experiments' pictures; Matplotlib (extra `plots`) is imported when one is drawn."""

from alexnet_tf.plotting.palette import COLORS, LINES


def save(draw, path):
    """Writes a picture.

    Args:
        draw: called with a Matplotlib `Figure`.
        path: file to write; its ending says the format.
    """
    from alexnet_tf.plotting import style

    figure = style.new_figure(7, 4.2)
    draw(figure)
    style.save(figure, path)


def race(figure, curves, rows, target):
    """Training error by epoch, and where each variant reached the target."""
    axes = _axes(figure, "epochs", "training error")
    longest = max(points[-1].epoch for points in curves.values())
    for (label, points), row, color, style in zip(curves.items(), rows, COLORS, LINES, strict=False):
        label = f"{label}, rate {row['learning_rate']:g}"
        axes.plot([p.epoch for p in points], [p.error for p in points], color=color, linestyle=style, label=label)
        if row["epochs_to_target"] is not None:
            axes.plot(row["epochs_to_target"], target, "o", color=color)
            # Toward the middle, where there is room.
            side = 1 if row["epochs_to_target"] < longest / 2 else -1
            axes.annotate(
                f"{row['epochs_to_target']:.1f} epochs", (row["epochs_to_target"], target), (side * 6, -13),
                color=color, textcoords="offset points", ha="left" if side == 1 else "right",
            )  # fmt: skip
    axes.axhline(target, color="0.4", linewidth=1, linestyle=(0, (2, 3)))
    axes.set_xlim(left=0)
    axes.legend(frameon=False)


def curves(figure, by_label):
    """Validation errors by epoch (filled) with training errors (thin) of several runs.

    Args:
        figure: Matplotlib `Figure`.
        by_label: {label: (training points, validation points)}.
    """
    axes = _axes(figure, "epochs", "top-1 error")
    for (label, (training, validation)), color, style in zip(by_label.items(), COLORS, LINES, strict=False):
        axes.plot([p.epoch for p in training], [p.error for p in training], color=color, linewidth=1, alpha=0.5)
        axes.plot(
            [p.epoch for p in validation], [p.error for p in validation], color=color, linestyle=style, marker="o",
            markersize=4, label=label,
        )  # fmt: skip
    axes.set_xlim(left=0)
    axes.legend(frameon=False, title="held-out images; thin: training")


def errors(figure, rows):
    """Top-1 errors as points, with a standard error either way."""
    axes = _axes(figure, "", "top-1 error, held-out images")
    for place, (row, color) in enumerate(zip(rows, COLORS, strict=False)):
        spread = (row["top1_error"] * (1 - row["top1_error"]) / row["images"]) ** 0.5
        axes.errorbar(place, row["top1_error"], spread, fmt="o", color=color, capsize=4, markersize=8)
        axes.annotate(
            f"{100 * row['top1_error']:.1f} %",
            (place, row["top1_error"]),
            (12, -4),
            textcoords="offset points",
            color=color,
        )
    axes.set_xticks(range(len(rows)), [row["variant"] for row in rows])
    axes.set_xlim(-0.5, len(rows) - 0.5)


def ensemble(figure, rows, networks):
    """Top-1 error by the number of networks averaged, over the networks alone."""
    axes = _axes(figure, "networks averaged", "top-1 error, held-out images")
    alone, means = rows[:networks], rows[:1] + rows[networks:]
    axes.plot([1] * networks, [row["top1_error"] for row in alone], "o", color="0.6", label="each alone")
    axes.plot(
        range(1, networks + 1), [row["top1_error"] for row in means], "-o", color=COLORS[0], label="mean of the first"
    )
    axes.set_xticks(range(1, networks + 1))
    axes.legend(frameon=False)


def _axes(figure, xlabel, ylabel):
    axes = figure.subplots()
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.yaxis.set_major_formatter(lambda share, place: f"{100 * share:.3g} %")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return axes
