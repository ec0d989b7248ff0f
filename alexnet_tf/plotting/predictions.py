"""Images with their five most probable labels: the left half of the paper's Figure 4."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from alexnet_tf.data.sources import Split
from alexnet_tf.errors import UserError
from alexnet_tf.inference.predict_split import predict_split
from alexnet_tf.inference.predictor import Predictor
from alexnet_tf.plotting import answers, palette, style
from alexnet_tf.plotting.answers import Prediction
from alexnet_tf.plotting.sheets import sheet

_COLUMNS, _GAP, _TITLE = 4, 12, 34  # The last two in pixels.
# Correct and wrong predictions are picked from this many images for each one wanted.
_POOL = 64
_BATCH_SIZE = 32


def choose(predictor: Predictor, split: Split, count: int = 8, seed: int = 0) -> list[Prediction]:
    """Picks images at random: half of them predicted correctly and half wrongly, as far as there are any.

    Args:
        predictor: the network.
        split: images to pick from.
        count: how many; fewer where the split has fewer.
        seed: non-negative int.

    Returns:
        The correct predictions, then the wrong ones.

    Raises:
        UserError: if no image can be read.
    """
    correct: list[Prediction] = []
    wrong: list[Prediction] = []
    for batch in predict_split(predictor, split, batch_size=min(_BATCH_SIZE, count), count=_POOL * count, seed=seed):
        for image, label, probabilities in zip(batch.images, batch.labels, batch.outputs, strict=True):
            # A copy, because a view would keep its whole batch in memory.
            prediction = Prediction(image.copy(), int(label), probabilities)
            kind = correct if prediction.correct else wrong
            if len(kind) < count:
                kind.append(prediction)
        if min(len(correct), len(wrong)) >= (count + 1) // 2:
            break
    if not correct and not wrong:
        raise UserError("dataset must have a readable image to draw, got none")
    wrong = wrong[: max(count // 2, count - len(correct))]
    return correct[: count - len(wrong)] + wrong


def draw(predictions: Sequence[Prediction], class_names: Sequence[str]) -> Figure:
    """Draws images with their true labels and the five most probable ones as bars, pixel by pixel at `style.DPI`.

    Reference: Figure 4 (left) of the paper.
    """
    image = sheet([answers.draw(prediction, class_names) for prediction in predictions], _COLUMNS, _GAP)
    height, width = image.shape[:2]
    figure = Figure(figsize=(width / style.DPI, (height + _TITLE) / style.DPI), dpi=style.DPI)
    axes = figure.add_axes((0, 0, 1, height / (height + _TITLE)))
    style.without_axes(axes).imshow(image, interpolation="nearest", aspect="auto")
    correct = sum(prediction.correct for prediction in predictions)
    text = f"{correct} correct and {len(predictions) - correct} wrong predictions" if len(predictions) > 2 else ""
    figure.suptitle(text, fontsize=11, color=palette.GRAY, y=1 - _TITLE / 2 / (height + _TITLE), va="center")
    return figure
