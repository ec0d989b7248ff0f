"""Batches of image files of which some cannot be read or decoded."""

from collections.abc import Callable

import tensorflow as tf

from alexnet_tf.data.file_crop import crop_from_file
from alexnet_tf.data.images import ResizeCrop

Example = dict[str, tf.Tensor]


def decodable_images(
    examples: Example, load: Callable[[Example], tf.Tensor], size: int, parallel_calls: int
) -> tf.data.Dataset:
    """Loads a batch and drops the examples whose loading fails.

    A failing operation ends its whole dataset, unless the dataset ignores errors. One dataset per image would do too,
    but costs a third of the decoding time.

    Args:
        examples: a dict of tensors (batch, …).
        load: from one example to an image, uint8 (size, size, 3).
        size: side of the images in pixels.
        parallel_calls: examples loaded at a time.

    Returns:
        A dataset with one element: int32 (images,), the positions of the images in the batch, rising; and uint8
        (images, size, size, 3).
    """
    count = tf.shape(next(iter(examples.values())))[0]
    numbered = tf.data.Dataset.from_tensor_slices((tf.range(count), examples))
    loaded = numbered.map(lambda position, example: (position, load(example)), parallel_calls).ignore_errors()
    # One empty element more, because without any there would be no batch.
    one_more = tf.data.Dataset.from_tensors((-1, tf.zeros([size, size, 3], tf.uint8)))
    batch = loaded.concatenate(one_more).batch(tf.cast(count + 1, tf.int64))
    return batch.map(lambda positions, images: (positions[:-1], images[:-1]))


def at_positions(positions: tf.Tensor, images: tf.Tensor, count: tf.Tensor | int) -> tuple[tf.Tensor, tf.Tensor]:
    """Puts images at their positions in a batch of `count`; all others are black.

    Returns:
        uint8 (count, size, size, 3), and bool (count,): whether there is an image.
    """
    shape = tf.concat([[count], tf.shape(images)[1:]], 0)
    decodable = tf.scatter_nd(positions[:, None], tf.ones_like(positions, tf.bool), [count])
    return tf.scatter_nd(positions[:, None], images, shape), decodable


def center_crops(encoded: tf.Tensor, resize_crop: ResizeCrop) -> tuple[tf.Tensor, tf.Tensor]:
    """The central crops of a batch of image files; those of undecodable files are black.

    Args:
        encoded: string (batch,), any number of files.
        resize_crop: the sizes.

    Returns:
        uint8 (batch, crop, crop, 3), and bool (batch,): whether the file could be decoded.
    """

    def load(example: Example) -> tf.Tensor:
        return crop_from_file(example["file"], resize_crop, tf.fill([2], resize_crop.center_offset))

    size = resize_crop.crop
    dataset = decodable_images({"file": encoded}, load, size, tf.data.AUTOTUNE)
    positions, crops = dataset.get_single_element()
    images, decodable = at_positions(positions, crops, tf.shape(encoded)[0])
    return tf.ensure_shape(images, [None, size, size, 3]), decodable
