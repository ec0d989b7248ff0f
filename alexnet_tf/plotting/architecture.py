"""A network's layers as boxes, its towers apart: the paper's Figure 2, with sizes read from the model."""

import dataclasses

import keras
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon

from alexnet_tf.models import cost
from alexnet_tf.models.layers import LocalResponseNormalization, SpatialNormalization
from alexnet_tf.plotting import palette, style

# In units of the drawing, which are inches: a column, a tower's row, the image's side, a box's depth and its rise.
_COLUMN, _ROW, _IMAGE, _DEPTH, _RISE = 1.42, 2.75, 2.3, 0.4, 0.22
_ROW_OF_ONE = 3.3
_FONT = 11
# Of what belongs to no tower: the image, and the classes of a network with towers.
_NEUTRAL = "#999999"
_CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))


@dataclasses.dataclass
class Stage:
    """A column of the picture: the image, or a weighted layer with what follows it.

    Attributes:
        name: `image`, `conv1` … `fc8`.
        shape: of the output without the batch: (height, width, channels), or (units,).
        towers: parts that the output is divided into.
        kernel: (height, width, channels) of a convolution's kernels, else ().
        stride: of a convolution.
        share: of its input's side that a kernel covers.
        crosses: whether each of its towers sees all towers of the stage before.
        notes: what happens to the output, a few words each.
    """

    name: str
    shape: tuple
    towers: int = 1
    kernel: tuple = ()
    stride: int = 1
    share: float = 0.0
    crosses: bool = False
    notes: list = dataclasses.field(default_factory=list)

    @property
    def size(self):
        """One tower's part of the output, as text."""
        return "×".join(map(str, (*self.shape[:-1], self.shape[-1] // self.towers)))


def stages(model):
    """The stages of a network that `AlexNet` built, as a list of `Stage`."""
    towers, found = cost.towers(model), []
    for layer in model.layers:
        shape = tuple(layer.output.shape[1:])
        if isinstance(layer, keras.layers.InputLayer):
            found.append(Stage("image", shape))
        elif isinstance(layer, keras.layers.Conv2D):
            kernel = tuple(layer.kernel.shape[:3])
            share = kernel[0] / layer.input.shape[1]
            crosses = found[-1].towers > layer.groups
            found.append(Stage(layer.name, shape, towers, kernel, layer.strides[0], share, crosses))
        elif isinstance(layer, keras.layers.Dense):
            found.append(Stage(layer.name, shape, towers, crosses=found[-1].towers > 1))
        else:
            found[-1].notes.extend(_notes(layer))
    # The classes are one answer, whatever saw to it.
    if not found[-1].kernel:
        found[-1].towers = 1
    return found


def _notes(layer):
    """What a layer without a column of its own does, as lines of text; none for what changes no size or scale."""
    if isinstance(layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D):
        kind = "max" if isinstance(layer, keras.layers.MaxPooling2D) else "mean"
        height, width = layer.output.shape[1:3]
        return [f"{kind} pool {layer.pool_size[0]}/{layer.strides[0]}", f"→ {height}×{width}"]
    if isinstance(layer, keras.layers.Dropout):
        return [f"dropout {layer.rate:g}"] if layer.rate else []
    names = {
        LocalResponseNormalization: "LRN",
        SpatialNormalization: "spatial norm",
        keras.layers.BatchNormalization: "batch norm",
    }
    return [names[type(layer)]] if type(layer) in names else []


def draw(model, title=""):
    """Draws a network from the image on the left to the classes on the right.

    Heights and lengths of boxes grow with the square roots of sides, channels and units. A cone leads from a kernel's
    window to where its sum goes; dense layers see everything.

    Args:
        model: a `keras.Model` that `AlexNet` built.
        title: a line above all.

    Returns:
        A `matplotlib.figure.Figure`.

    Reference: Figure 2 of the paper.
    """
    columns = stages(model)
    towers = max(stage.towers for stage in columns)
    height = towers * _ROW if towers > 1 else _ROW_OF_ONE
    figure = style.new_figure(_COLUMN * len(columns), height + 2.3)
    axes = style.without_axes(figure.subplots())
    axes.set(xlim=(-0.25, _COLUMN * len(columns) - 0.25), ylim=(-height / 2 - 0.75, height / 2 + 0.65), aspect="equal")
    before = []
    for number, stage in enumerate(columns):
        boxes = [
            _Box.of(
                stage, columns[0].shape[0], number * _COLUMN, ((stage.towers - 1) / 2 - tower) * _ROW, tower, towers
            )
            for tower in range(stage.towers)
        ]
        for source in before:
            for box in boxes:
                if stage.crosses or len(before) == 1 or len(boxes) == 1 or source.tower == box.tower:
                    _connect(axes, source, box, stage, crosses=stage.crosses and towers > 1)
        for box in boxes:
            box.draw(axes, stage.size)
        _describe(axes, stage, number * _COLUMN, height / 2, towers)
        before = boxes
    figure.suptitle(title, fontsize=15, fontweight="bold")
    if towers > 1:
        _legend(figure, towers)
    return figure


@dataclasses.dataclass(frozen=True)
class _Box:
    """A box that recedes to the upper right: the left lower corner of its front, and its three sides."""

    x: float
    y: float
    length: float
    height: float
    depth: float
    tower: int
    color: str

    @classmethod
    def of(cls, stage, image_side, x, middle, tower, towers):
        of_a_tower = stage.name != "image" and stage.towers == towers
        color = palette.TOWERS[tower % len(palette.TOWERS)] if of_a_tower else _NEUTRAL
        amount = stage.shape[-1] // stage.towers
        if len(stage.shape) == 3:
            height = _IMAGE * (stage.shape[0] / image_side) ** 0.5
            return cls(x, middle - height / 2, 0.03 * amount**0.5, height, height, tower, color)
        height = max(0.2, 2.1 * (amount / 4096) ** 0.5)
        return cls(x, middle - height / 2, 0.16, height, 0.3, tower, color)

    def right_face(self, across, up):
        """The point at these shares of the right face's depth and height."""
        depth = across * self.depth
        return self.x + self.length + depth * _DEPTH, self.y + up * self.height + depth * _RISE

    def draw(self, axes, size):
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


def _connect(axes, source, box, stage, crosses):
    """A cone from a kernel's window to one point of a box, or from all of a dense layer's input to all of its box."""
    bottom, top = (box.x, box.y), (box.x, box.y + box.height)
    if stage.kernel:
        share = min(1, stage.share) / 2
        window = [source.right_face(0.5 + across * share, 0.5 + up * share) for across, up in _CORNERS]
        axes.add_patch(Polygon(window, fill=False, edgecolor=palette.INK, linewidth=1.2, zorder=4))
        bottom = top = (box.x, box.y + box.height / 2)
        # The diagonal across the way that the cone goes.
        rising = bottom[1] > window[0][1] + box.height
        starts = (window[1], window[3]) if rising else (window[0], window[2])
    else:
        starts = source.right_face(1, 0), source.right_face(1, 1)
    color = palette.INK if crosses else box.color
    outline = [*starts, top, bottom]
    axes.add_patch(Polygon(outline, facecolor=color, alpha=0.1 if crosses else 0.2, edgecolor="none", zorder=2))
    for line in zip(starts, (bottom, top), strict=True):
        axes.plot(*zip(*line, strict=True), color=color, linewidth=0.9, linestyle="--" if crosses else "-", zorder=4)


def _describe(axes, stage, x, edge, towers):
    """What the stage is, above; what follows it, below."""
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


def _legend(figure, towers):
    handles = [
        Patch(facecolor=palette.TOWERS[t % len(palette.TOWERS)], alpha=0.55, label=f"tower {t + 1}")
        for t in range(towers)
    ]
    handles.append(Line2D([], [], color=palette.INK, linestyle="--", label="towers cross"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=12, frameon=False)
