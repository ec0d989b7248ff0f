"""The search for ranks: the least loss for a size of the smallest file."""

import dataclasses
import math
from collections.abc import Iterator, Mapping

from alexnet_tf.compression.projection import Components
from alexnet_tf.errors import UserError
from alexnet_tf.exporting.int4 import BLOCK
from alexnet_tf.models.preset import Preset
from alexnet_tf.models.specs import Conv, Dense, Shape, WeightedSpec

# So that `tflite_int4` can have a scale for every block of a layer's inputs.
STEP = BLOCK

Ranks = dict[str, int]

# Bytes of operations, names and metadata in a TFLite file: 8,000 to 21,000 in different networks.
_OVERHEAD = 20_000


def compressible(network: Preset, size: int, classes: int) -> dict[str, int]:
    """The dense layers that are large enough: those that have more parameters than a product of rank `STEP`.

    A classifier is large if it has many classes: 4,096 by 1,000, but not 4,096 by 10.

    Args:
        network: the network.
        size: height and width of its input.
        classes: number of its outputs.

    Returns:
        For each layer, the largest multiple of `STEP` for which a product has fewer parameters than the layer.
    """
    largest = {}
    for spec, shape in _weighted(network, size, classes):
        inputs, units = math.prod(shape), spec.output_shape(shape)[-1]
        if isinstance(spec, Dense) and STEP * (inputs + units) < inputs * units:
            largest[spec.name] = (inputs * units - 1) // (inputs + units) // STEP * STEP
    return largest


def int4_bytes(network: Preset, size: int, classes: int) -> int:
    """About how many bytes the file `tflite_int4` of a network has.

    A weight takes 8 bits in a convolution and 4 in a dense layer; biases, scales of convolutions and the mean image
    take 32, scales of blocks in dense layers 16.
    """
    weighted = list(_weighted(network, size, classes))
    blockwise = all(math.prod(shape) % BLOCK == 0 for spec, shape in weighted if isinstance(spec, Dense))
    total = _OVERHEAD + (4 * network.channels * size**2 if network.preprocessing.mean == "image" else 0)
    for spec, shape in weighted:
        *_, units = kernel = spec.kernel_shape(shape)
        weights, biases = math.prod(kernel), spec.parameters(shape) - math.prod(kernel)
        if isinstance(spec, Conv):
            total += weights + 4 * units + 4 * biases
        else:
            total += weights // 2 + (2 * weights // BLOCK if blockwise else 4 * units) + 4 * biases
    return total


def _weighted(network: Preset, size: int, classes: int) -> Iterator[tuple[WeightedSpec, Shape]]:
    """The convolutions and dense layers with the shapes of their inputs."""
    shape: Shape = (size, size, network.channels)
    for spec in (*network.layers[:-1], dataclasses.replace(network.classifier, units=classes)):
        if isinstance(spec, WeightedSpec):
            yield spec, shape
        shape = spec.output_shape(shape)


def check_target(network: Preset, size: int, classes: int, most_bytes: float) -> None:
    """Raises UserError if the file `tflite_int4` has more than so many bytes even with the smallest ranks."""
    ranks = dict.fromkeys(compressible(network, size, classes), STEP)
    least = int4_bytes(network.with_dense_ranks(ranks), size, classes)
    if least > most_bytes:
        raise UserError(
            f"target_mb must be at least {math.ceil(least / 1e4) / 100:.2f} for this network, most of which are "
            f"convolutions, got {most_bytes / 1e6:.2f}"
        )


def choose_ranks(
    network: Preset, size: int, classes: int, components: Mapping[str, Components], most_bytes: float
) -> Ranks:
    """Chooses ranks, multiples of `STEP`, for which the file `tflite_int4` has at most so many bytes.

    What they minimize is the sum, over the layers, of the fraction of variance that each loses. All begin at `STEP`.
    Then the step that keeps the most variance a byte is taken, as long as there is room for one; the last step of a
    layer leaves it as it was. Since each further component has less variance, no other order of steps keeps more.

    Args:
        network, size, classes: as for `int4_bytes`.
        components: of the layers that may be compressed.
        most_bytes: of the file.

    Returns:
        The rank of each layer that is compressed.

    Raises:
        UserError: if the smallest ranks do not suffice, or there were too few images for any.
    """
    check_target(network, size, classes, most_bytes)
    found = min(len(each.variances) for each in components.values())
    if found < STEP:
        raise UserError(f"dataset must have at least {STEP} readable training images, got {found}")

    def bytes_of(ranks: Ranks) -> int:
        return int4_bytes(network.with_dense_ranks(ranks), size, classes)

    def lost(name: str, ranks: Ranks) -> float:
        return components[name].lost(ranks[name]) if name in ranks else 0.0

    largest = compressible(network, size, classes)
    ranks = dict.fromkeys(components, STEP)
    while True:
        steps = {}
        for name in ranks:
            larger = {**ranks, name: ranks[name] + STEP}
            if larger[name] > min(largest[name], len(components[name].variances)):
                del larger[name]
            if bytes_of(larger) <= most_bytes:
                gain = lost(name, ranks) - lost(name, larger)
                steps[gain / (bytes_of(larger) - bytes_of(ranks))] = larger
        if not steps:
            return ranks
        ranks = steps[max(steps)]
