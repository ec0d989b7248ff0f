"""EXIF's orientation in unusual places, as Pillow finds it."""

import contextlib
import io
import warnings

import exif_layouts
import helpers
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from alexnet_tf.data import decoding, file_crop, images, orientation

LAYOUTS = exif_layouts.layouts(helpers.noise_jpeg(0, 40, 60))


def _pillow(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of damaged EXIF.
        image = Image.open(io.BytesIO(data))
        with contextlib.suppress(SyntaxError):  # EXIF that is no TIFF file.
            image = ImageOps.exif_transpose(image)
    return np.asarray(image).astype(int)


def test_the_layouts_are_many_and_of_both_kinds():
    turned = [_pillow(data).shape == (60, 40, 3) for data in LAYOUTS.values()]
    assert len(turned) >= 70 and 35 <= sum(turned) <= 45


@pytest.mark.parametrize("name", LAYOUTS)
def test_it_is_found_where_pillow_finds_it(name):
    expected = _pillow(LAYOUTS[name])
    actual = decoding.decode(tf.constant(LAYOUTS[name])).numpy()
    assert actual.shape == expected.shape and np.abs(actual - expected).max() <= 3


def test_inside_a_dataset_and_in_the_fast_way():
    resize_crop = images.ResizeCrop(38, 30)
    offset = tf.fill([2], resize_crop.center_offset)

    def both(encoded):
        crops = [file_crop.crop_from_file(encoded, resize_crop, offset, exact) for exact in (True, False)]
        return orientation.orientation(encoded), *crops

    data = [layout for name, layout in LAYOUTS.items() if "plain" in name or "none" in name]
    dataset = tf.data.Dataset.from_tensor_slices(data).map(both)
    values = list(dataset.as_numpy_iterator())
    assert [int(value) for value, _, _ in values] == [6, 1, 6, 1]
    for _, exact, fast in values:
        assert np.abs(exact.astype(int) - fast).mean() <= 8


def test_a_hostile_walk_ends():
    """A million bytes that are no marker, before EXIF."""
    data = b"\xff\xd8" + b"\0" * 1_000_000 + LAYOUTS["plain, little-endian"][2:]
    assert orientation.orientation(tf.constant(data)).numpy() == 1
