"""What training needs to know of a training set's pixels: its mean image and the axes of its colours."""

import dataclasses

import numpy as np

from alexnet_tf.data.images import central_crop


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of the resized, centrally cropped training images, in grey levels from 0 to 255.

    Attributes:
        mean_image: float32 (side, side, 3), the mean of every pixel.
        eigenvalues: float32 (3,), of the RGB covariance over all pixels of all images, falling.
        eigenvectors: float32 (3, 3), one a column, in the same order.
        count: the number of images they were taken from.

    Reference: sections 2 (mean) and 4.1 (colours) of the paper.
    """

    mean_image: np.ndarray
    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    count: int

    def mean(self, kind, size):
        """The mean to subtract from a `size` by `size` crop: `"image"` (size, size, 3), or `"pixel"` (3,).

        A colour as `kind` is a mean that is given, not taken: (3,).

        Raises:
            ValueError: if `kind` is none of these.
        """
        if not isinstance(kind, str):
            return np.asarray(kind, np.float32)
        if kind == "image":
            return central_crop(self.mean_image, size)
        if kind == "pixel":
            return self.mean_image.mean((0, 1))
        raise ValueError(f"kind must be 'image' or 'pixel'. Received: kind={kind!r}")

    def save(self, path):
        """Writes an `.npz` file."""
        np.savez(path, **dataclasses.asdict(self))

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["mean_image"], arrays["eigenvalues"], arrays["eigenvectors"], int(arrays["count"]))


def collect(images, progress=lambda count: None):
    """Takes the statistics of a dataset in one pass, in float64.

    Args:
        images: a `tf.data.Dataset` of pairs: uint8 images (batch, side, side, 3), and weights (batch,) of which 0
            leaves an image out.
        progress: called after each batch with the number of images so far.

    Returns:
        `Statistics`.

    Raises:
        ValueError: if no image counts.
    """
    count, pixel_sum, product_sum = 0, 0.0, 0.0
    for batch, weights in images:
        batch = batch.numpy()[weights.numpy() > 0].astype(np.float64)
        colours = batch.reshape(-1, 3)
        count += len(batch)
        pixel_sum += batch.sum(0)
        product_sum += colours.T @ colours
        progress(count)
    if count == 0:
        raise ValueError("images must hold at least one readable image. Received: none")
    mean_image = pixel_sum / count
    colour_mean = mean_image.mean((0, 1))
    pixels = count * mean_image.shape[0] * mean_image.shape[1]
    values, vectors = np.linalg.eigh(product_sum / pixels - np.outer(colour_mean, colour_mean))
    falling = slice(None, None, -1)
    values = np.maximum(values[falling], 0)
    return Statistics(*(a.astype(np.float32) for a in (mean_image, values, vectors[:, falling])), count)
