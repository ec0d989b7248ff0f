"""Images of a dataset as arrays, for comparisons and calibration."""

import numpy as np
import numpy.typing as npt

from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.pipeline import read_split
from alexnet_tf.data.sources import Split


def sample_images(
    split: Split, classes: int, sizes: ResizeCrop, count: int, seed: int | None = None
) -> npt.NDArray[np.uint8]:
    """Central crops of readable images of a split.

    Args:
        split: to read from.
        classes: number of its classes.
        sizes: to which images are resized and cropped.
        count: how many images to read at most.
        seed: of a random sample; None for the first images.

    Returns:
        uint8 (images, crop, crop, 3).
    """
    count = min(count, split.count)
    return next(read_split(split, classes, count, sizes, count=count, seed=seed)).images
