"""Images of a split, in an order drawn by a seed."""

from alexnet_tf.data import pipeline

BATCH = 32


def batches(classifier, split, count, seed):
    """Yields `count` images of a split, or all it has, as the network sees them; what cannot be read is left out.

    Args:
        classifier: `alexnet_tf.inference.predictor.Classifier`.
        split: `alexnet_tf.data.sources.Split`.
        count: how many.
        seed: non-negative int that draws which.

    Yields:
        uint8 (up to `BATCH`, crop, crop, 3), and int64 labels of the same length.

    Raises:
        ValueError: if none of them can be read.
    """
    size = min(BATCH, count, split.count)
    classes, found = len(classifier.class_names), False
    for batch in pipeline.evaluation_batches(split, classes, size, classifier.resize_crop, count=count, seed=seed):
        good = batch["weight"].numpy() > 0
        found = found or good.any()
        yield batch["image"].numpy()[good], batch["label"].numpy()[good]
    if not found:
        raise ValueError(f"dataset has no image to draw. Received: none of {count} could be read")
