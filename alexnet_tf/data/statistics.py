"""What training needs to know of a training set's pixels: its mean image and the axes of its colors."""

import dataclasses

import numpy as np

from alexnet_tf.data.images import central_crop

# The axes of ImageNet's colors, one a column, as published for PyTorch's and Torch's ResNets, with the standard
# deviations along them in gray levels from the author's later release (cuda-convnet2).
IMAGENET_COLOR_PCA = (
    np.square(np.array([121.8, 37.1, 19.7], np.float32)),
    np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]], np.float32),
)


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of the resized, centrally cropped training images, in gray levels from 0 to 255.

    Attributes:
        mean_image: float32 (side, side, 3), the mean of every pixel.
        eigenvalues: float32 (3,), of the RGB covariance over all pixels of all images, falling.
        eigenvectors: float32 (3, 3), one a column, in the same order.
        count: the number of images they were taken from.

    Reference: sections 2 (mean) and 4.1 (colors) of the paper.
    """

    mean_image: np.ndarray
    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    count: int

    def mean(self, kind, size):
        """The mean to subtract from a `size` by `size` crop: `"image"` (size, size, 3), or `"pixel"` (3,).

        A color as `kind` is a mean that is given, not taken: (3,).

        Raises:
            ValueError: if `kind` is none of these.
        """
        if not isinstance(kind, str):
            return np.asarray(kind, np.float32)
        if kind == "image":
            return central_crop(self.mean_image, size)
        if kind == "pixel":
            return self.rgb_mean.astype(np.float32)
        raise ValueError(f"kind must be 'image' or 'pixel'. Received: kind={kind!r}")

    @property
    def rgb_mean(self):
        """The mean color: float64 (3,)."""
        return self.mean_image.mean((0, 1), dtype=np.float64)

    @property
    def covariance(self):
        """The RGB covariance, in squared gray levels: float64 (3, 3)."""
        vectors = self.eigenvectors.astype(np.float64)
        return vectors * self.eigenvalues @ vectors.T

    def color_pca(self, kind):
        """The (eigenvalues, eigenvectors) of color noise: `"own"`, the set's, or `"imagenet"`'s."""
        return IMAGENET_COLOR_PCA if kind == "imagenet" else (self.eigenvalues, self.eigenvectors)

    def arrays(self):
        """What an `.npz` file of them holds, mean color and covariance for other readers included."""
        return {**dataclasses.asdict(self), "rgb_mean": self.rgb_mean, "covariance": self.covariance}

    def save(self, path):
        """Writes an `.npz` file, which is never seen half written."""
        partial = path.with_name(f"{path.name}.new")
        with open(partial, "wb") as file:
            np.savez(file, **self.arrays())
        partial.replace(path)

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["mean_image"], arrays["eigenvalues"], arrays["eigenvectors"], int(arrays["count"]))


@dataclasses.dataclass
class Sums:
    """What statistics are made of. Whole numbers, exact in float64, so that sums may be added in any order.

    Attributes:
        count: images added.
        pixels: float64 (side, side, 3), the sum of all images.
        products: float64 (3, 3), the sum over all pixels of the products of their colors. Exact up to 2**53: for
            two million images of 256 by 256 pixels.
    """

    count: int = 0
    pixels: np.ndarray | float = 0.0
    products: np.ndarray | float = 0.0

    def add(self, images):
        """Adds uint8 images (count, side, side, 3)."""
        for image in images:
            colors = image.reshape(-1, 3).astype(np.float64)
            self.products = self.products + colors.T @ colors
        self.pixels = self.pixels + images.sum(0, dtype=np.uint32)
        self.count += len(images)

    def merge(self, other):
        """Adds another's sums."""
        self.count += other.count
        self.pixels = self.pixels + other.pixels
        self.products = self.products + other.products

    def statistics(self):
        """The `Statistics` of all images added.

        Raises:
            ValueError: if there is none.
        """
        if self.count == 0:
            raise ValueError("images must hold at least one readable image. Received: none")
        mean_image = self.pixels / self.count
        color_mean = mean_image.mean((0, 1))
        pixels = self.count * mean_image.shape[0] * mean_image.shape[1]
        values, vectors = np.linalg.eigh(self.products / pixels - np.outer(color_mean, color_mean))
        falling = slice(None, None, -1)
        values = np.maximum(values[falling], 0)
        return Statistics(*(a.astype(np.float32) for a in (mean_image, values, vectors[:, falling])), self.count)


def collect(images, progress=lambda count: None):
    """Takes the statistics of a dataset in one pass.

    Args:
        images: a `tf.data.Dataset` of pairs: uint8 images (batch, side, side, 3), and weights (batch,) of which 0
            leaves an image out.
        progress: called after each batch with the number of images so far.

    Returns:
        `Statistics`.

    Raises:
        ValueError: if no image counts.
    """
    sums = Sums()
    for batch, weights in images:
        sums.add(batch.numpy()[weights.numpy() > 0])
        progress(sums.count)
    return sums.statistics()
