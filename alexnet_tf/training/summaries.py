"""What a run writes to TensorBoard besides the journal's scalars: layers, images, graph and hyperparameters."""

import contextlib
import re
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from alexnet_tf.models import cost
from alexnet_tf.plotting import answers, kernels, sheets
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.training.hardest_examples import HardestExamples
from alexnet_tf.training.journal import Journal, tag
from alexnet_tf.training.layer_probe import HISTOGRAMS, SCALARS, LayerProbe, LayerValues

METRICS = ("top1_error", "top5_error", "loss")
# The fields that people tune, in the order of TensorBoard's columns.
HYPERPARAMETERS = (
    "learning_rate", "batch_size", "optimizer", "schedule", "epochs", "steps", "weight_decay", "dropout", "preset",
    "width", "image_size", "initialization", "weights", "freeze_through", "label_smoothing", "precision", "seed",
)  # fmt: skip
# The augmented images that are shown.
_SHOWN = 32


class Summaries:
    """Writes summaries of a run's network; does nothing in workers that are not the chief.

    Args:
        recipe: the run's recipe.
        model: network with probabilities as output.
        class_names: in the order of the network's outputs.
        probe: of the same network.
        journal: whose event files are written to.
        writes: whether anything is written.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: keras.Model,
        class_names: Sequence[str],
        probe: LayerProbe,
        journal: Journal,
        writes: bool = True,
    ) -> None:
        self._recipe, self._model, self._class_names = recipe, model, class_names
        self._probe, self._journal, self.writes = probe, journal, writes

    def write_start(self, step: int) -> None:
        """Writes the graph and the hyperparameters; at step 0 the augmented images and the new network as well."""
        if not self.writes:
            return
        # Imported here because exports and inference do without TensorBoard.
        from tensorboard.plugins.hparams import api as hp

        events = self._journal.only_events()
        hyperparameters = _hyperparameters(self._recipe)
        with events.as_default(step=0):
            tf.summary.graph(_graph(self._model))
            hp.hparams_config(
                hparams=[hp.HParam(name) for name in hyperparameters],
                metrics=[hp.Metric(tag(name), group="validation", display_name=name) for name in METRICS],
            )
            hp.hparams(hyperparameters)
        events.close()
        if step == 0:
            self._write_augmented()
            self.write_network(0)

    def write_layers(self, step: int) -> None:
        """Writes each layer's scalars: norms of kernel and gradient, fraction of dead ReLUs."""
        if self.writes:
            with self._events("train", step):
                _write_scalars(self._probe.measure())

    def write_network(self, step: int) -> None:
        """Writes the scalars of `write_layers`, histograms of parameters and activations, and the kernels of conv1."""
        if not self.writes:
            return
        values = self._probe.measure()
        image = kernels.image(self._model.get_layer("conv1").kernel.numpy(), cost.towers(self._model))
        with self._events("train", step):
            _write_scalars(values)
            for kind in HISTOGRAMS:
                for layer, array in values[kind].items():
                    tf.summary.histogram(f"network_{kind}/{layer}", array)
            tf.summary.image("pictures/conv1_kernels", image[None], description="One tower below the other; gray is 0.")

    def write_hardest(self, step: int, hardest: HardestExamples | None) -> None:
        """Writes the hardest examples of a validation as one image, if there are any."""
        if not self.writes or not hardest or not hardest.predictions:
            return
        drawn = [answers.draw(prediction, self._class_names) for prediction in hardest.predictions]
        with self._events("validation", step):
            description = "Lowest probability of the true class first. Bars: the five most probable; orange is true."
            image = sheets.sheet(drawn, columns=4, gap=12)
            tf.summary.image("pictures/hardest_examples", image[None], description=description)

    def _write_augmented(self) -> None:
        images = [sheets.enlarged(image, min_width=64) for image in self._probe.augmented()[:_SHOWN]]
        sheet = sheets.sheet(images, columns=8, gap=6)
        with self._events("train", 0):
            description = "The first training images as the network gets them, with the mean added back."
            tf.summary.image("pictures/augmented", sheet[None], description=description)

    @contextlib.contextmanager
    def _events(self, kind: str, step: int) -> Iterator[None]:
        events = self._journal.events(kind)
        with events.as_default(step=step):
            yield
        events.flush()


def _write_scalars(values: LayerValues) -> None:
    for kind in SCALARS:
        for layer, value in values[kind].items():
            tf.summary.scalar(f"network_{kind}/{layer}", value)


def _hyperparameters(recipe: Recipe) -> dict[str, bool | int | float | str]:
    """The recipe's fields that people tune, as HParams takes them: without None."""
    values = {name: getattr(recipe, name) for name in HYPERPARAMETERS}
    return {name: value for name, value in values.items() if value is not None}


def _graph(model: keras.Model) -> tf.compat.v1.GraphDef:
    """The network's `GraphDef` with the layers at the top level, not inside one box."""
    function = tf.function(lambda image: model(image, training=False), jit_compile=False)
    concrete = function.get_concrete_function(tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, "image"))
    graph = concrete.graph.as_graph_def()
    for node in graph.node:
        node.name = _without_model(node.name)
        inputs = [_without_model(name) for name in node.input]
        del node.input[:]
        node.input.extend(inputs)
    return graph


def _without_model(name: str) -> str:
    """`^alexnet_paper_1/conv1_1/Conv2D` becomes `^conv1/Conv2D`: Keras numbers a model that is called again."""
    return re.sub(r"^(\^?)alexnet_\w+?/(\w+?)(_\d+)?/", r"\1\2/", name)
