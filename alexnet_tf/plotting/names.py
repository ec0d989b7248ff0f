"""Class names as people read them."""

import functools

from alexnet_tf.models.pretrained.imagenet import imagenet_classes

MAX_LENGTH = 16


def readable(name: str) -> str:
    """Replaces a WordNet id by its name, and underscores by spaces."""
    return _imagenet_names().get(name, name).replace("_", " ")


def short(name: str) -> str:
    """The readable name, cut to `MAX_LENGTH` characters."""
    name = readable(name)
    return name if len(name) <= MAX_LENGTH else name[: MAX_LENGTH - 1] + "…"


@functools.cache
def _imagenet_names() -> dict[str, str]:
    return dict(imagenet_classes())
