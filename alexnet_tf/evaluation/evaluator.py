"""Top-1 error, top-5 error and loss over one or ten views, exact for any batch size and any number of devices."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from alexnet_tf.data import images as image_functions
from alexnet_tf.data import pipeline
from alexnet_tf.data.sampling import Shard
from alexnet_tf.data.sources import Dataset, Split
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.metrics import Metrics, Sums, batch_sums
from alexnet_tf.inference.predictor import Predictor
from alexnet_tf.models.pretrained.imagenet import imagenet_classes

BATCH_SIZE = 64

Watch = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], None]


class Evaluator:
    """Evaluates a network on splits, counting every readable example once; traced once.

    Args:
        predictor: the network.
        batch_size: images at a time on each device.
        views: 1 for the central crop, or 10 for the views of section 4.1, whose probabilities are averaged.
        strategy: the devices that share the work; TensorFlow's default strategy if not given.
        stop_requested: float32 scalar variable of this process, 1 if it was asked to stop.

    Raises:
        UserError: if `views` is neither 1 nor 10.
    """

    def __init__(
        self,
        predictor: Predictor,
        batch_size: int = BATCH_SIZE,
        views: int = 1,
        strategy: tf.distribute.Strategy | None = None,
        stop_requested: tf.Variable | None = None,
    ) -> None:
        check_views(views)
        self._predictor, self._batch_size, self._views = predictor, batch_size, views
        self._strategy = strategy or tf.distribute.get_strategy()
        self._stop_requested = tf.zeros([]) if stop_requested is None else stop_requested
        self._step = tf.function(self._global_step, autograph=False, jit_compile=False)

    def __call__(
        self,
        split: Split,
        progress: Callable[[int, bool], None] = lambda examples, stop_requested: None,
        watch: Watch | None = None,
    ) -> Metrics:
        """Evaluates the network on a split.

        Args:
            split: labeled images.
            progress: called after each batch with the number of examples so far, and whether any worker was asked to
                stop.
            watch: called with images, labels, weights and probabilities of each batch of each local replica.

        Raises:
            UserError: if no example is readable.
        """
        totals = np.zeros(len(Sums._fields))
        for batch in self._strategy.distribute_datasets_from_function(lambda context: self._batches(split, context)):
            batch_totals, probabilities = self._step(batch)
            *sums, stop_requested = batch_totals.numpy()
            totals += sums
            if watch:
                columns = (batch["image"], batch["label"], batch["weight"], probabilities)
                for replica in zip(*map(self._strategy.experimental_local_results, columns), strict=True):
                    watch(*replica)
            progress(int(Sums(*totals).examples), stop_requested > 0)
        if not Sums(*totals).examples:
            raise UserError("dataset must have a readable example to evaluate, got none")
        return Sums(*totals).metrics(self._views)

    def _batches(self, split: Split, context: tf.distribute.InputContext) -> tf.data.Dataset:
        return pipeline.evaluation_batches(
            split, len(self._predictor.class_names), self._batch_size * context.num_replicas_in_sync,
            self._predictor.preprocessing, whole_square=self._views > 1, shard=Shard.of(context),
        )  # fmt: skip

    def _global_step(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        per_replica, probabilities = self._strategy.run(self._replica_step, args=(batch,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None), probabilities

    def _replica_step(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """The sums of a batch with the request to stop after them, and its probabilities."""
        probabilities = self._predictor.view_probabilities(batch["image"], self._views)
        sums = batch_sums(probabilities, batch["label"], batch["weight"])
        return tf.concat([sums, [tf.cast(self._stop_requested, tf.float64)]], axis=0), probabilities


def check_views(views: int) -> None:
    """Raises UserError unless `views` is 1 or 10."""
    if views not in (1, image_functions.VIEWS):
        raise UserError(f"views must be 1 or {image_functions.VIEWS}, got {views}")


def evaluate(
    predictor: Predictor,
    data: Dataset | Split,
    batch_size: int = BATCH_SIZE,
    views: int = 1,
    progress: Callable[[int], None] = lambda examples: None,
) -> Metrics:
    """Evaluates a network on a split, or on the validation set of a dataset.

    Args:
        predictor: the network, e.g. `load_run(workdir).predictor()` or `open_predictor(path)`.
        data: images whose labels are indices into `predictor.class_names`.
        batch_size: images at a time.
        views: 1 for the central crop, or 10 for the views of section 4.1, whose probabilities are averaged.
        progress: called after each batch with the number of examples so far.

    Raises:
        UserError: if the dataset has other classes than the network, or no example is readable.
    """
    if batch_size < 1:
        raise UserError(f"batch_size must be at least 1, got {batch_size}")
    if isinstance(data, Dataset):
        check_classes(predictor, data)
    split = data.validation if isinstance(data, Dataset) else data
    return Evaluator(predictor, batch_size, views)(split, lambda examples, stop_requested: progress(examples))


def has_classes(predictor: Predictor, dataset: Dataset) -> bool:
    """Whether a dataset has the classes of a network, in the same order.

    Published weights have the names of ImageNet's classes, and datasets have their WordNet ids.
    """
    names = dict(imagenet_classes())
    readable = tuple(names.get(class_name, class_name) for class_name in dataset.class_names)
    return predictor.class_names in (dataset.class_names, readable)


def check_classes(predictor: Predictor, dataset: Dataset) -> None:
    """Raises UserError if a dataset has other classes than a network, or the same in another order."""
    if not has_classes(predictor, dataset):
        raise UserError(
            f"dataset must have the {len(predictor.class_names)} classes of {predictor.name!r} in the same order, got "
            f"{dataset.name!r} with {len(dataset.class_names)} classes: {', '.join(dataset.class_names[:5])} …"
        )
