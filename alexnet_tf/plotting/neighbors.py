"""Images beside the training images nearest to them: the right half of the paper's Figure 4."""

from collections.abc import Callable, Sequence

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexnet_tf.data.sources import Dataset
from alexnet_tf.inference.predictor import Predictor
from alexnet_tf.plotting import names, palette, style
from alexnet_tf.plotting.neighbor_search import Neighbor, choose, search


def draw_nearest(
    predictor: Predictor,
    dataset: Dataset,
    layer: str = "fc7",
    count: int = 5,
    examples: int = 5000,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Figure:
    """Draws random validation images, each with the training images nearest to it.

    Args:
        predictor: the network.
        dataset: query images are taken from its validation split, neighbors from its training split.
        layer, examples, seed, progress: as for `search`.
        count: number of query images.

    Raises:
        UserError: if there is no such layer, or no image can be read.
    """
    predictor.check_layer(layer)
    queries, labels = choose(predictor, dataset.validation, count, seed)
    examples = min(examples, dataset.train.count)
    nearest = search(predictor, dataset.train, queries, layer, examples=examples, seed=seed, progress=progress)
    title = f"nearest in {layer} among {examples:,} training images; numbers are Euclidean distances"
    return draw(queries, labels, nearest, predictor.class_names, title)


def draw(
    queries: npt.NDArray,
    labels: npt.NDArray,
    nearest: Sequence[Sequence[Neighbor]],
    class_names: Sequence[str],
    title: str = "",
) -> Figure:
    """Draws each query on the left and its neighbors beside it, with labels and distances.

    Args:
        queries, labels: uint8 (queries, crop, crop, 3) and int (queries,).
        nearest: the result of `search`.
        class_names: names of the classes.
        title: a line above the figure.

    Reference: Figure 4 (right) of the paper.
    """
    columns = max(map(len, nearest), default=0)
    figure = style.new_figure(1.45 * (columns + 1) + 0.3, 2.0 * len(queries) + 0.7)
    ratios = [1, 0.12, *[1] * columns]
    grid = figure.subplots(len(queries), columns + 2, squeeze=False, gridspec_kw={"width_ratios": ratios})
    for axes in grid.flat:
        style.without_axes(axes)
    for (query, _, *others), image, label, neighbors in zip(grid, queries, labels, nearest, strict=True):
        query.imshow(image)
        query.set_xlabel(names.short(class_names[label]), fontsize=12, fontweight="bold")
        query.spines[:].set(visible=True, color=palette.INK, linewidth=3)
        for axes, neighbor in zip(others, neighbors, strict=False):
            axes.imshow(neighbor.image)
            _caption(axes, neighbor, label, class_names)
    grid[0, 0].set_title("query", fontsize=12)
    grid[0, 2].set_title("nearest", fontsize=12)
    figure.suptitle(title, fontsize=12, color=palette.GRAY)
    return figure


def _caption(axes: Axes, neighbor: Neighbor, label: int, class_names: Sequence[str]) -> None:
    """Writes the distance and the label, with a cross and in color where it is not the query's."""
    same = neighbor.label == label
    name = names.short(class_names[neighbor.label])
    text = f"{name if same else f'✗ {name}'}\n{neighbor.distance:.1f}"
    axes.set_xlabel(text, fontsize=11, color=palette.INK if same else palette.VERMILLION)
