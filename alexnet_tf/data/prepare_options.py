"""How `prepare` stores images."""

import dataclasses

from alexnet_tf.data import description
from alexnet_tf.errors import UserError

MAXIMA = {"size": 4096, "quality": 100, "shard_size": 1_000_000}


@dataclasses.dataclass(frozen=True)
class PrepareOptions:
    """How images are stored.

    Attributes:
        size: the shorter side in pixels.
        square: whether to store only the central square, which is all that training uses.
        format: `"jpeg"`, or `"raw"` (pixels of squares; seven times as large and four times as fast to read).
        quality: of JPEG, 1 to 100.
        shard_size: source images per shard.

    Raises:
        UserError: if a field is out of range.
    """

    size: int = 256
    square: bool = True
    format: str = "jpeg"
    quality: int = 95
    shard_size: int = 4096

    def __post_init__(self) -> None:
        if self.format not in description.FORMATS:
            raise UserError(f"format must be one of {', '.join(description.FORMATS)}, got {self.format!r}")
        for name, maximum in MAXIMA.items():
            if not 1 <= getattr(self, name) <= maximum:
                raise UserError(f"{name} must be from 1 to {maximum}, got {getattr(self, name)}")
        if self.format == "raw" and not self.square:
            raise UserError("square must be true for format='raw', which stores squares only, got False")
