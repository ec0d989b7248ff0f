"""What a weight file says about the training run that its weights are from."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet_tf.errors import UserError

FORMAT_VERSION = "1"
_VERSION, _NETWORK, _CLASSES = "format_version", "network", "class_names"
MEAN_IMAGE = "mean_image"  # The key of the mean image among the tensors.


@dataclasses.dataclass(frozen=True)
class RunDetails:
    """All that a network needs besides its weights.

    Attributes:
        network: the recipe's fields that define the network; not checked yet.
        class_names: names of the classes in the order of the network's outputs.
        mean_image: float32 (resize, resize, 3), the mean of the resized training images, in gray levels from 0 to 255;
            None if the preset subtracts a color of its own.
    """

    network: Mapping[str, Any]
    class_names: tuple[str, ...]
    mean_image: npt.NDArray[np.float32] | None

    def metadata(self) -> dict[str, str]:
        """All but the mean image as text."""
        names = json.dumps(self.class_names, ensure_ascii=False)
        return {_VERSION: FORMAT_VERSION, _NETWORK: json.dumps(dict(self.network)), _CLASSES: names}


def details_from(
    metadata: Mapping[str, str], mean_image: npt.NDArray[Any] | None, path: str | os.PathLike
) -> RunDetails | None:
    """What `RunDetails.metadata` and the mean image were made from; None if the file is not from a run.

    Raises:
        UserError: if something is missing, or has another type or version.
    """
    if _NETWORK not in metadata:
        return None
    if metadata.get(_VERSION) != FORMAT_VERSION:
        raise UserError(
            f"weights must have {_VERSION} {FORMAT_VERSION}, got {metadata.get(_VERSION, 'none')[:100]!r} in "
            f"{str(path)!r}"
        )
    network, names = _json(metadata, _NETWORK, path), _json(metadata, _CLASSES, path)
    if not isinstance(network, dict):
        raise UserError(f"weights must have an object as {_NETWORK}, got {str(path)!r}")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"weights must have a list of strings as {_CLASSES}, got {str(path)!r}")
    return RunDetails(network, tuple(names), None if mean_image is None else _checked_mean(mean_image, path))


def _checked_mean(mean_image: npt.NDArray[Any], path: str | os.PathLike) -> npt.NDArray[np.float32]:
    side = len(mean_image) if mean_image.ndim else 0
    if mean_image.shape != (side, side, 3) or mean_image.dtype.kind != "f" or not np.isfinite(mean_image).all():
        raise UserError(f"weights must have a {MEAN_IMAGE} of finite numbers (side, side, 3), got {str(path)!r}")
    return mean_image.astype(np.float32)


def _json(metadata: Mapping[str, str], name: str, path: str | os.PathLike) -> Any:
    try:
        return json.loads(metadata.get(name, ""))
    except (ValueError, RecursionError) as error:
        raise UserError(f"weights must have JSON as {name}, got {str(path)!r}: {error!s:.100}") from error
