"""A network's layers as boxes, its towers side by side: the paper's Figure 2, with sizes read from the model."""

import dataclasses

import keras
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon

from alexnet_tf.plotting import palette, style
from alexnet_tf.plotting.stages import Stage, stages

# In units of the drawing, which are inches: width of a column, height of a tower's row, the image's side, and how far
# a box of depth 1 extends to the right and up.
_COLUMN, _ROW, _IMAGE, _DEPTH, _RISE = 1.42, 2.75, 2.3, 0.4, 0.22
_SINGLE_ROW = 3.3
_FONT = 11
# For what belongs to no tower: the image, and the classes of a network with towers.
_NEUTRAL = "#999999"
_CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))

Point = tuple[float, float]


def draw(model: keras.Model, title: str = "") -> Figure:
    """Draws a network from the image on the left to the classes on the right.

    Heights and lengths of boxes grow with the square roots of heights, channels and units. A cone leads from a kernel's
    window to the output that it produces; dense layers see their whole input.

    Args:
        model: a network that `AlexNet` built.
        title: a line above the figure.

    Reference: Figure 2 of the paper.
    """
    columns = stages(model)
    towers = max(stage.towers for stage in columns)
    width, height = _COLUMN * len(columns), towers * _ROW if towers > 1 else _SINGLE_ROW
    figure = style.new_figure(width, height + 2.3)
    axes = style.without_axes(figure.subplots())
    axes.set(xlim=(-0.25, width - 0.25), ylim=(-height / 2 - 0.75, height / 2 + 0.65), aspect="equal")
    previous: list[_Box] = []
    for number, stage in enumerate(columns):
        x = number * _COLUMN
        boxes = [_Box.of(stage, columns[0].shape[0], x, tower, towers) for tower in range(stage.towers)]
        _connect_all(axes, previous, boxes, stage, towers)
        for box in boxes:
            box.draw(axes, stage.size)
        _describe(axes, stage, x, height / 2, towers)
        previous = boxes
    figure.suptitle(title, fontsize=15, fontweight="bold")
    if towers > 1:
        _add_legend(figure, towers)
    return figure


@dataclasses.dataclass(frozen=True)
class _Box:
    """A box that recedes to the upper right: the lower left corner of its front, and its three sides."""

    x: float
    y: float
    length: float
    height: float
    depth: float
    tower: int
    color: str

    @classmethod
    def of(cls, stage: Stage, image_height: int, x: float, tower: int, towers: int) -> "_Box":
        """The box of one tower of a stage, its left side at `x`."""
        middle = ((stage.towers - 1) / 2 - tower) * _ROW
        colored = stage.name != "image" and stage.towers == towers
        color = palette.TOWERS[tower % len(palette.TOWERS)] if colored else _NEUTRAL
        channels = stage.shape[-1] // stage.towers
        if len(stage.shape) == 3:
            height = _IMAGE * (stage.shape[0] / image_height) ** 0.5
            return cls(x, middle - height / 2, 0.03 * channels**0.5, height, height, tower, color)
        height = max(0.2, 2.1 * (channels / 4096) ** 0.5)
        return cls(x, middle - height / 2, 0.16, height, 0.3, tower, color)

    def right_face(self, across: float, up: float) -> Point:
        """The point at these fractions of the right face's depth and height."""
        depth = across * self.depth
        return self.x + self.length + depth * _DEPTH, self.y + up * self.height + depth * _RISE

    def draw(self, axes: Axes, size: str) -> None:
        """Draws front, top and right side, and the size below."""
        x, y, right, top = self.x, self.y, self.x + self.length, self.y + self.height
        over, rise = self.depth * _DEPTH, self.depth * _RISE
        faces = (
            ([(x, y), (right, y), (right, top), (x, top)], 0.55),
            ([(x, top), (right, top), (right + over, top + rise), (x + over, top + rise)], 0.3),
            ([(right, y), (right + over, y + rise), (right + over, top + rise), (right, top)], 0.4),
        )
        for points, strength in faces:
            axes.add_patch(Polygon(points, facecolor="white", zorder=3))
            axes.add_patch(Polygon(points, facecolor=self.color, alpha=strength, zorder=3))
            axes.add_patch(Polygon(points, fill=False, edgecolor=palette.INK, linewidth=1, zorder=3))
        label = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
        axes.text(x, y - 0.1, size, ha="left", va="top", fontsize=_FONT, color=palette.INK, bbox=label, zorder=5)


def _connect_all(axes: Axes, sources: list[_Box], boxes: list[_Box], stage: Stage, towers: int) -> None:
    """Draws a cone from each box of the previous stage to each box of this one that it feeds."""
    for source in sources:
        for box in boxes:
            if stage.crosses or len(sources) == 1 or len(boxes) == 1 or source.tower == box.tower:
                _connect(axes, source, box, stage, crosses=stage.crosses and towers > 1)


def _connect(axes: Axes, source: _Box, box: _Box, stage: Stage, crosses: bool) -> None:
    """Draws a cone from a kernel's window to a point of a box, or from a dense layer's whole input to its whole box."""
    bottom, top = (box.x, box.y), (box.x, box.y + box.height)
    if stage.kernel:
        half = min(1, stage.coverage) / 2
        window = [source.right_face(0.5 + across * half, 0.5 + up * half) for across, up in _CORNERS]
        axes.add_patch(Polygon(window, fill=False, edgecolor=palette.INK, linewidth=1.2, zorder=4))
        bottom = top = (box.x, box.y + box.height / 2)
        # The diagonal of the window that is perpendicular to the cone.
        rising = bottom[1] > window[0][1] + box.height
        starts = (window[1], window[3]) if rising else (window[0], window[2])
    else:
        starts = source.right_face(1, 0), source.right_face(1, 1)
    color = palette.INK if crosses else box.color
    outline = [*starts, top, bottom]
    axes.add_patch(Polygon(outline, facecolor=color, alpha=0.1 if crosses else 0.2, edgecolor="none", zorder=2))
    for line in zip(starts, (bottom, top), strict=True):
        axes.plot(*zip(*line, strict=True), color=color, linewidth=0.9, linestyle="--" if crosses else "-", zorder=4)


def _describe(axes: Axes, stage: Stage, x: float, edge: float, towers: int) -> None:
    """Writes what the stage is above it, and what follows it below."""
    lines = []
    if stage.kernel:
        lines = [f"{stage.shape[-1]} kernels", "×".join(map(str, stage.kernel))]
        lines += [f"stride {stage.stride}"] if stage.stride > 1 else []
    elif stage.name != "image":
        lines = [f"{stage.shape[-1]} units"]
    if stage.crosses and towers > 1:
        lines.append("both towers" if towers == 2 else "all towers")
    axes.text(x, edge + 0.6, stage.name, fontsize=_FONT + 2, fontweight="bold", va="top")
    axes.text(x, edge + 0.33, "\n".join(lines), fontsize=_FONT, va="top", linespacing=1.25)
    axes.text(x, -edge + 0.2, "\n".join(stage.notes), fontsize=_FONT, va="top", linespacing=1.25, color=palette.GRAY)


def _add_legend(figure: Figure, towers: int) -> None:
    handles: list[Artist] = [
        Patch(facecolor=palette.TOWERS[t % len(palette.TOWERS)], alpha=0.55, label=f"tower {t + 1}")
        for t in range(towers)
    ]
    handles.append(Line2D([], [], color=palette.INK, linestyle="--", label="towers cross"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=12, frameon=False)
