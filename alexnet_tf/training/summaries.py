"""What TensorBoard shows of a run besides the journal's scalars: layers, histograms, pictures, graph, hyperparameters.

Only the chief writes. Nothing here changes a run: no variable is assigned to, and no random number is drawn.
"""

import dataclasses
import re

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hp

from alexnet_tf.data import images as image_functions
from alexnet_tf.data import pipeline
from alexnet_tf.models import cost
from alexnet_tf.plotting import pictures

# About so many images of a batch are looked at, so many are shown, and so many of the worst mistakes.
LOOKED_AT, SHOWN, WORST = 64, 32, 8
# A histogram is of about so many values of a tensor: TensorBoard's own takes 240 bytes a value.
SAMPLE = 2**16

METRICS = ("top1_error", "top5_error", "loss")


class Summaries:
    """Writes summaries of a run's network.

    Norms, activations and pictures are of the first images of the run's first batch, the same all along, so that what
    changes is the network. They pass through it as in training, but without dropout.

    Args:
        recipe: `Recipe`.
        dataset: `Dataset`.
        model: `keras.Model` with probabilities as output.
        mean, color_pca: as for `pipeline.network_input`.
        journal: `Journal`, in whose directories is written.
        writes: whether anything is.
        loss_scale: float16's `LossScale`, or None.
    """

    def __init__(self, recipe, dataset, model, mean, color_pca, journal, writes=True, loss_scale=None):
        self._recipe, self._dataset, self._model, self._journal = recipe, dataset, model, journal
        self._mean, self._color_pca, self._loss_scale = (
            tf.constant(mean),
            [tf.constant(axis) for axis in color_pca],
            loss_scale,
        )
        self.writes = writes
        self._batch = None
        self._weighted = {layer.name: layer for layer in model.layers if hasattr(layer, "kernel")}
        self._nonlinear = _nonlinear(model)
        outputs = [layer.output for layer in self._nonlinear.values()]
        self._inside = keras.Model(model.inputs, [*outputs, model.get_layer("probabilities").input])
        self._look = tf.function(self._look_at, autograph=False, jit_compile=False)

    def introduce(self, step):
        """Writes the graph and the hyperparameters, and what a fresh network looks like."""
        if not self.writes:
            return
        events = self._journal.only_events()
        with events.as_default(step=0):
            tf.summary.graph(_graph(self._model))
            hp.hparams_config(
                hparams=[hp.HParam(name) for name in self._hyperparameters()],
                metrics=[hp.Metric(name, group="validation", display_name=name) for name in METRICS],
            )
            hp.hparams(self._hyperparameters())
        events.close()
        if step == 0:
            self._show_batch()
            self.network(0)

    def layers(self, step):
        """Writes scalars of each layer: norms of kernel and gradient, share of dead ReLUs."""
        if self.writes:
            self._write_layers(step, self._found())

    def network(self, step):
        """Writes the scalars of `layers`, histograms of weights and activations, and conv1's kernels."""
        if not self.writes:
            return
        found = self._found()
        self._write_layers(step, found)
        with self._events(step):
            for kind in ("weights", "biases", "activations"):
                for name, values in found[kind].items():
                    tf.summary.histogram(f"{kind}/{name}", values)
            kernels = pictures.kernels(self._weighted["conv1"].kernel.numpy(), cost.towers(self._model))
            tf.summary.image("conv1_kernels", kernels[None], description="The towers one above the other; gray is 0.")
        self._journal.events("train").flush()

    def mistakes(self, step, worst):
        """Writes the worst mistakes of a validation as one picture.

        Args:
            step: int.
            worst: `HardestExamples` that saw the validation.
        """
        if not self.writes or not worst.found:
            return
        answers = [self._answer(mistake) for mistake in worst.found]
        with self._journal.events("validation").as_default(step=step):
            description = "What was least likely to the network: true class, and its five labels; orange is true."
            tf.summary.image("worst_mistakes", pictures.sheet(answers, columns=4)[None], description=description)
        self._journal.events("validation").flush()

    def _answer(self, mistake):
        best = np.argsort(-mistake.probabilities, kind="stable")[:5]
        labels = [self._name(label) for label in best]
        return pictures.answer(mistake.image, self._name(mistake.label), labels, mistake.probabilities[best])

    def _name(self, label):
        name = self._dataset.class_names[label]
        return name if pictures.can_be_written(name) else f"class {label}"

    def _events(self, step):
        return self._journal.events("train").as_default(step=step)

    def _hyperparameters(self):
        """The recipe's fields as HParams takes them: no None, no tuple."""
        fields = dataclasses.asdict(self._recipe)
        return {
            name: value if isinstance(value, bool | int | float | str) else str(value)
            for name, value in fields.items()
            if value is not None and value != ()
        }

    def _first_batch(self):
        """The first images of the run's first batch; the start of a set costs nothing to reach in any kind of set."""
        if self._batch is None:
            recipe = self._recipe
            shard = pipeline.Shard(replicas=max(1, recipe.batch_size // LOOKED_AT))
            batches = pipeline.training_batches(
                self._dataset.train, len(self._dataset.class_names), recipe.batch_size, recipe.resize_crop,
                recipe.augmentation(0), recipe.seed, range(1), shard,
            )  # fmt: skip
            self._batch = next(iter(batches))
        return self._batch

    def _inputs(self):
        color_pca = self._color_pca if self._recipe.augmentation(0).color_noise else None
        return pipeline.network_input(self._first_batch(), self._mean, color_pca, self._recipe.color_noise_divisor)

    def _show_batch(self):
        inputs = image_functions.add_mean(self._inputs()[:SHOWN], self._mean).numpy()
        shown = [pictures.enlarged(picture, least=64) for picture in inputs]
        with self._events(0):
            description = "The first training images as the network sees them, the mean added back."
            tf.summary.image("augmented", pictures.sheet(shown, columns=8, gap=6)[None], description=description)

    def _found(self):
        scale = self._loss_scale.scale if self._loss_scale else tf.ones([])
        batch = self._first_batch()
        found = self._look(self._inputs(), batch["label"], batch["weight"], scale)
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), found)

    def _write_layers(self, step, found):
        with self._events(step):
            for kind in ("weight_norm", "gradient_norm", "dead_relus"):
                for name, value in found[kind].items():
                    tf.summary.scalar(f"{kind}/{name}", value)
        self._journal.events("train").flush()

    def _look_at(self, images, labels, weights, scale):
        """{kind: {layer: tensor}} of all that is shown of layers."""
        kernels = {name: layer.kernel for name, layer in self._weighted.items() if layer.trainable}
        with tf.GradientTape() as tape:
            *activations, logits = self._inside(images, training=False)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))
            loss = tf.math.divide_no_nan(tf.reduce_sum(losses * weights), tf.reduce_sum(weights)) * scale
        gradients = tape.gradient(loss, kernels)
        activations = dict(zip(self._nonlinear, activations, strict=True))
        *_, head = self._weighted
        relus = {name: activations[name] for name, layer in self._nonlinear.items() if _is_relu(layer)}
        return {
            "weight_norm": {name: tf.norm(layer.kernel) for name, layer in self._weighted.items()},
            "gradient_norm": {name: tf.norm(gradient) / scale for name, gradient in gradients.items()},
            "dead_relus": {name: _dead_fraction(relu, weights > 0) for name, relu in relus.items()},
            "weights": {name: _sample(layer.kernel) for name, layer in self._weighted.items()},
            "biases": {name: _sample(layer.bias) for name, layer in self._weighted.items()},
            "activations": {name: _sample(values) for name, values in {**activations, head: logits}.items()},
        }


@dataclasses.dataclass(frozen=True)
class Mistake:
    """An example that a network got wrong.

    Attributes:
        image: uint8 (height, width, 3).
        label: int, the true one.
        probabilities: float32 (classes,).
    """

    image: np.ndarray
    label: int
    probabilities: np.ndarray


class HardestExamples:
    """Keeps those mistakes of a validation in which the true class was the least likely; see `Evaluator`.

    Attributes:
        found: list of `Mistake`, the worst first.
    """

    def __init__(self, count=WORST):
        self._count, self.found = count, []

    def __call__(self, images, labels, weights, probabilities):
        """Looks at a batch: tensors of uint8 images, labels, weights (0 does not count) and probabilities."""
        labels, weights, probabilities = (tensor.numpy() for tensor in (labels, weights, probabilities))
        likelihood = probabilities[np.arange(len(labels)), labels]
        wrong = (likelihood < probabilities.max(axis=1)) & (weights > 0)
        order = np.argsort(np.where(wrong, likelihood, np.inf), kind="stable")[: min(self._count, wrong.sum())]
        candidates = [Mistake(images[i].numpy(), int(labels[i]), probabilities[i]) for i in order]
        ranked = sorted(self.found + candidates, key=lambda mistake: mistake.probabilities[mistake.label])
        self.found = ranked[: self._count]


def _nonlinear(model):
    """{weighted layer: the activation layer that belongs to it}."""
    found, last = {}, None
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            last = layer.name
        elif isinstance(layer, keras.layers.Activation) and layer.name != "probabilities":
            found[last] = layer
    return found


def _is_relu(layer):
    return layer.activation is keras.activations.relu


def _dead_fraction(activations, counts):
    """The share of units that are 0 for every example that counts; of a map, a unit is a channel at all places."""
    axes = tuple(range(1, activations.shape.rank - 1))
    alive = tf.reduce_any(activations > 0, axis=axes) if axes else activations > 0
    return 1 - tf.reduce_mean(tf.cast(tf.reduce_any(alive & counts[:, None], axis=0), tf.float32))


def _sample(tensor):
    """About `SAMPLE` values of a tensor as float32 (n,), evenly spaced."""
    values = tf.reshape(tf.convert_to_tensor(tensor), [-1])
    # An odd stride: widths are even, and no channel may be passed over.
    return tf.cast(values[:: tf.size(values) // SAMPLE | 1], tf.float32)


def _graph(model):
    """The network's `GraphDef`, with the layers at the top: not one box that hides them all."""
    function = tf.function(lambda image: model(image, training=False), jit_compile=False)
    concrete = function.get_concrete_function(tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, "image"))
    graph = concrete.graph.as_graph_def()
    for node in graph.node:
        node.name = _without_model(node.name)
        inputs = [_without_model(name) for name in node.input]
        del node.input[:]
        node.input.extend(inputs)
    return graph


def _without_model(name):
    """`^alexnet_paper_1/conv1_1/Conv2D` becomes `^conv1/Conv2D`: Keras numbers what it calls again."""
    return re.sub(r"^(\^?)alexnet_\w+?/(\w+?)(_\d+)?/", r"\1\2/", name)
