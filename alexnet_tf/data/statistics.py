"""Statistics of a training set's pixels: the mean image and the principal components of the colors."""

import dataclasses
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet_tf import storage
from alexnet_tf.data.arrays import read_npz
from alexnet_tf.data.images import central_crop
from alexnet_tf.errors import UserError

Array = npt.NDArray[np.float32]

# (eigenvalues, eigenvectors) of ImageNet's colors. The vectors, one per column, were published with Torch's and
# PyTorch's ResNets; the standard deviations, in gray levels, with the first author's later code (cuda-convnet2).
IMAGENET_COLOR_PCA = (
    np.square(np.array([121.8, 37.1, 19.7], np.float32)),
    np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]], np.float32),
)


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of the resized, centrally cropped training images, in gray levels from 0 to 255.

    Attributes:
        mean_image: float32 (side, side, 3), the mean of each pixel.
        eigenvalues: float32 (3,), of the RGB covariance over all pixels of all images, in falling order.
        eigenvectors: float32 (3, 3), one per column, in the same order.
        count: number of images.

    Reference: sections 2 (mean) and 4.1 (colors) of the paper.
    """

    mean_image: Array
    eigenvalues: Array
    eigenvectors: Array
    count: int

    def mean(self, kind: str | npt.ArrayLike, size: int) -> Array:
        """The mean to subtract from a `size` by `size` crop.

        Args:
            kind: `"image"` for the mean of each pixel, (size, size, 3); `"pixel"` for the mean color, (3,); or a fixed
                color, which is returned as float32 (3,).
            size: side of the crop in pixels.

        Raises:
            UserError: if `kind` is none of these.
        """
        if not isinstance(kind, str):
            return np.asarray(kind, np.float32)
        if kind == "image":
            return central_crop(self.mean_image, size)
        if kind == "pixel":
            return self.rgb_mean.astype(np.float32)
        raise UserError(f"kind must be 'image', 'pixel' or a color, got {kind!r}")

    @property
    def rgb_mean(self) -> npt.NDArray[np.float64]:
        """The mean color: float64 (3,)."""
        return self.mean_image.mean((0, 1), dtype=np.float64)

    @property
    def covariance(self) -> npt.NDArray[np.float64]:
        """The RGB covariance, in squared gray levels: float64 (3, 3)."""
        vectors = self.eigenvectors.astype(np.float64)
        return vectors * self.eigenvalues @ vectors.T

    def color_pca(self, kind: str) -> tuple[Array, Array]:
        """The (eigenvalues, eigenvectors) for color noise: the dataset's for `"own"`, ImageNet's for `"imagenet"`."""
        return IMAGENET_COLOR_PCA if kind == "imagenet" else (self.eigenvalues, self.eigenvectors)

    def save(self, path: str | os.PathLike) -> None:
        """Writes an `.npz` file, with the mean color and the covariance for other readers."""
        arrays = {**dataclasses.asdict(self), "rgb_mean": self.rgb_mean, "covariance": self.covariance}
        with storage.atomic_write(path) as partial:
            np.savez(partial, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Statistics":
        """Reads a file that `save` wrote.

        Raises:
            UserError: if it is damaged, or not such a file.
        """
        arrays = read_npz(path)
        missing = [field.name for field in dataclasses.fields(cls) if field.name not in arrays]
        if missing:
            raise UserError(f"{str(path)!r} must be statistics that alexnet-tf wrote, got no {', '.join(missing)}")
        columns: list[Any] = [arrays[field.name] for field in dataclasses.fields(cls)]
        loaded = cls(*columns)
        side = loaded.mean_image.shape[0] if loaded.mean_image.ndim else 0
        expected = {"mean_image": (side, side, 3), "eigenvalues": (3,), "eigenvectors": (3, 3), "count": ()}
        for name, shape in expected.items():
            array = getattr(loaded, name)
            if not side or array.shape != shape or array.dtype.kind not in "fi" or not np.isfinite(array).all():
                raise UserError(
                    f"{str(path)!r} must have {name} of finite numbers {shape}, got {array.dtype} {array.shape}"
                )
        return dataclasses.replace(loaded, count=int(loaded.count))


@dataclasses.dataclass
class Sums:
    """The sums that statistics are computed from: integers, exact in float64, so that their order has no effect.

    Attributes:
        count: number of images.
        pixels: float64 (side, side, 3), the sum of all images.
        products: float64 (3, 3), the sum over all pixels of the products of their color channels. Exact up to 2**53,
            which is two million images of 256 by 256 pixels.
    """

    count: int = 0
    pixels: Any = 0.0
    products: Any = 0.0

    def add(self, images: npt.NDArray[np.uint8]) -> None:
        """Adds images (count, side, side, 3)."""
        for image in images:
            colors = image.reshape(-1, 3).astype(np.float64)
            self.products = self.products + colors.T @ colors
        self.pixels = self.pixels + images.sum(0, dtype=np.uint32)
        self.count += len(images)

    def merge(self, other: "Sums") -> None:
        """Adds other sums."""
        self.count += other.count
        self.pixels = self.pixels + other.pixels
        self.products = self.products + other.products

    def statistics(self) -> Statistics:
        """The `Statistics` of all images added.

        Raises:
            UserError: if there is none.
        """
        if self.count == 0:
            raise UserError("the training set must have at least one readable image, got none")
        mean_image = self.pixels / self.count
        color_mean = mean_image.mean((0, 1))
        pixels = self.count * mean_image.shape[0] * mean_image.shape[1]
        values, vectors = np.linalg.eigh(self.products / pixels - np.outer(color_mean, color_mean))
        values = np.maximum(values[::-1], 0)
        mean, values, vectors = (array.astype(np.float32) for array in (mean_image, values, vectors[:, ::-1]))
        return Statistics(mean, values, vectors, self.count)


def collect(
    batches: Iterable[npt.NDArray[np.uint8]], progress: Callable[[int], None] = lambda count: None
) -> Statistics:
    """Computes the statistics of a dataset in one pass.

    Args:
        batches: images (batch, side, side, 3), e.g. the `images` of `pipeline.read_split`.
        progress: called after each batch with the number of images so far.

    Raises:
        UserError: if there is no image.
    """
    sums = Sums()
    for images in batches:
        if len(images):
            sums.add(images)
        progress(sums.count)
    return sums.statistics()
