"""Image functions, sources and the pipeline, eagerly and inside `tf.data.map`."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.data import (
    datasets,
    decoding,
    images,
    indexed_split,
    pipeline,
    sampling,
    shapes,
    statistics,
)
from alexnet_tf.data.augmentation import Augmentation, Draws
from alexnet_tf.data.network_input import network_input

SIZES = images.ResizeCrop(76, 67)
PLAIN = Augmentation(random_crop=False, flip=False, color_noise=False)


def _image(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    "function",
    [
        lambda image: images.resize_shorter_side(image, 20),
        lambda image: images.central_crop(image, 21),
        lambda image: images.crop_from_pixels(image, images.ResizeCrop(24, 21), tf.constant([0.3, 0.9])),
        lambda image: images.flip(image[None], tf.constant([True])),
        lambda image: images.ten_views(image[None], 25),
        lambda image: images.add_color_noise(
            images.subtract_mean(image[None], tf.constant([1.0, 2.0, 3.0])),
            tf.constant([[0.1, -0.2, 0.3]]),
            tf.constant([9.0, 4.0, 1.0]),
            tf.eye(3),
        ),
    ],
)
def test_functions_are_equal_eagerly_and_in_a_map(function):
    image = _image(30, 40, 3)
    mapped = next(iter(tf.data.Dataset.from_tensors(image).map(function)))
    np.testing.assert_allclose(mapped, function(tf.constant(image)), atol=1e-4)


def test_resize_keeps_proportion_and_identity():
    assert images.resize_shorter_side(tf.constant(_image(512, 300, 3)), 256).shape == (437, 256, 3)
    same = _image(256, 300, 3)
    np.testing.assert_array_equal(images.resize_shorter_side(tf.constant(same), 256), same)


def test_offsets_reach_all_crops_and_the_center_is_the_central_crop():
    image = tf.constant(np.arange(12).reshape(3, 4, 1).repeat(3, -1).astype(np.uint8))
    resize_crop = images.ResizeCrop(3, 2)
    offsets = np.linspace(0, 1, 7, endpoint=False)
    corners = {
        int(images.crop_from_pixels(image, resize_crop, tf.constant([y, x], tf.float32))[0, 0, 0])
        for y in offsets
        for x in offsets
    }
    assert corners == {0, 1, 4, 5}
    for resize, crop in ((256, 227), (256, 224), (9, 9), (8, 7)):
        resize_crop = images.ResizeCrop(resize, crop)
        square = tf.constant(_image(resize, resize, 3))
        center = images.crop_from_pixels(square, resize_crop, tf.fill([2], resize_crop.center_offset))
        np.testing.assert_array_equal(center, images.central_crop(square, crop))


def test_flip_only_flagged_images():
    batch = _image(2, 4, 5, 3)
    actual = images.flip(tf.constant(batch), tf.constant([False, True]))
    np.testing.assert_array_equal(actual, np.stack([batch[0], batch[1, :, ::-1]]))


def test_color_noise_formula():
    rng = np.random.default_rng(0)
    pixels, strengths = rng.normal(size=(2, 3, 4, 3)), rng.normal(size=(2, 3))
    values, vectors = np.array([14835.0, 1376.0, 388.0]), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    expected = pixels + np.stack([vectors @ (s * np.sqrt(values)) for s in strengths])[:, None, None]
    actual = images.add_color_noise(*(tf.constant(a, tf.float32) for a in (pixels, strengths, values, vectors)))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-4)


def test_ten_views_in_order():
    batch = _image(1, 7, 7, 3)
    x = batch[0]
    plain = [x[:4, :4], x[:4, 3:], x[3:, :4], x[3:, 3:], x[1:5, 1:5]]
    np.testing.assert_array_equal(images.ten_views(tf.constant(batch), 4)[0], plain + [v[:, ::-1] for v in plain])


def test_decode_refuses_bytes_that_are_no_image():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoding.decode(b"not an image")


def test_statistics_are_numpys():
    batch = _image(5, 6, 6, 3)
    weights = np.array([1, 1, 0, 1, 1], np.float32)
    actual = statistics.collect([batch[weights > 0]])
    kept = batch[weights > 0].astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(kept.reshape(-1, 3).T, bias=True))
    np.testing.assert_allclose(actual.mean_image, kept.mean(0), rtol=1e-6)
    np.testing.assert_allclose(actual.eigenvalues, values[::-1], rtol=1e-5)
    np.testing.assert_allclose(abs(actual.eigenvectors), abs(vectors[:, ::-1]), rtol=1e-4, atol=1e-6)
    assert actual.count == 4


def test_shapes_depend_on_seed_split_and_index_only():
    image, label = shapes.draw(3, "train", 17)
    again, again_label = shapes.draw(3, "train", 17)
    np.testing.assert_array_equal(image, again)
    assert label == again_label and image.shape == (256, 256, 3) and image.dtype == np.uint8
    for other in ((4, "train", 17), (3, "validation", 17), (3, "train", 18)):
        assert (shapes.draw(*other)[0] != image).any()
    assert sorted(shapes.draw(0, "train", i)[1] for i in range(20, 30)) == list(range(10))


@pytest.mark.slow
def test_a_linear_classifier_does_not_learn_the_shapes():
    def pixels(split, count):
        drawn = [shapes.draw(0, split, i) for i in range(count)]
        small = tf.image.resize(np.stack([image for image, _ in drawn]), (32, 32), antialias=True)
        return np.reshape(small, (count, -1)) / 128 - 1, np.array([label for _, label in drawn])

    x, y = pixels("train", 800)
    test_x, test_y = pixels("validation", 200)
    targets = np.eye(10)[y] - 0.1
    for ridge in (1e1, 1e2, 1e3, 1e4):
        dual = np.linalg.solve(x @ x.T + ridge * np.eye(len(x)), targets)
        error = np.mean((test_x @ (x.T @ dual)).argmax(1) != test_y)
        assert error > 0.5, ridge


def _write(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture
def folder(tmp_path):
    jpeg = tf.io.encode_jpeg(_image(80, 90, 3)).numpy()
    _write(tmp_path, {f"{c}/{i}.jpg": jpeg for c in "ab" for i in range(11)})
    return tmp_path


def test_folder_holds_out_a_tenth_always_the_same(folder):
    one, two = (datasets.open_dataset(f"folder:{folder}", 5) for _ in range(2))
    assert one.class_names == ("a", "b") and (one.train.count, one.validation.count) == (20, 2)
    assert list(one.train.labels) == [0] * 10 + [1] * 10
    assert one.train.names == two.train.names and one.validation.names == two.validation.names


def test_a_damaged_file_has_weight_0_and_is_named(folder):
    _write(folder, {"a/x.jpg": b"text", "a/y.png": (folder / "a" / "0.jpg").read_bytes()[:99]})
    dataset = datasets.open_dataset(f"folder:{folder}")
    weights = 0
    for split in (dataset.train, dataset.validation):
        for batch in pipeline.evaluation_batches(split, 2, 4, SIZES):
            weights += batch["weight"].numpy().sum()
    assert weights == 22
    named = dataset.train.skipped | dataset.validation.skipped
    assert named == {str(folder / "a" / "x.jpg"), str(folder / "a" / "y.png")}


@pytest.mark.parametrize(
    "name, message",
    [("imagenet", "dataset must be"), ("builtin:digits", "builtin:shapes"), ("folder:{}/none", "existing folder"),
     ("folder:{}/one", "2 classes"), ("folder:{}/hollow", "no image"), ("tfds:no_such_set", "cannot be opened"),
     ("{}/one", "did you mean folder:"),
     ("{}/one/a/0.jpg", "did you mean tar:")],
)  # fmt: skip
def test_bad_datasets_are_named(name, message, tmp_path):
    _write(tmp_path, {"one/a/0.jpg": b"", "hollow/a/0.jpg": b"", "hollow/b/0.txt": b""})
    with pytest.raises(ValueError, match=message):
        datasets.open_dataset(name.format(tmp_path))


def _toy_split(count):
    def load(example, crop):
        image = tf.fill([80, 90, 3], tf.cast(example["index"], tf.uint8))
        image = images.crop_from_pixels(image, crop.resize_crop, example["offset"])
        return {"image": image, "label": example["index"], "weight": tf.ones([])}

    return indexed_split.IndexedSplit(count, load)


def _training(count, batch_size, steps, shard=sampling.Shard(), augmentation=PLAIN):  # noqa: B008
    return pipeline.training_batches(
        _toy_split(count), count, batch_size, SIZES, augmentation, 1, range(*steps), shard
    )  # fmt: skip


def test_each_example_once_an_epoch_and_orders_differ():
    labels = np.concatenate([batch["label"] for batch in _training(7, 2, (0, 7))])
    assert sorted(labels[:7]) == sorted(labels[7:]) == list(range(7))
    assert list(labels[:7]) != list(labels[7:])


@pytest.mark.parametrize("workers, each", [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (2, 2)])
@pytest.mark.parametrize("batch_size", [6, 7])
def test_replicas_and_workers_share_each_batch(workers, each, batch_size):
    """Eleven examples, three epochs: examples, positions and draws do not depend on who reads them."""
    augmentation, steps = Augmentation(crop_group_size=2), (0, 33 // batch_size)
    whole = list(_training(11, batch_size, steps, augmentation=augmentation))
    replicas = workers * each
    shards = [sampling.Shard(replicas, worker * each, each) for worker in range(workers)]
    parts = [iter(_training(11, batch_size, steps, shard, augmentation)) for shard in shards]
    for expected in whole:
        actual = [next(part) for part in parts for _ in range(each)]
        sizes = [len(batch["label"]) for batch in actual]
        assert sum(sizes) == batch_size and max(sizes) - min(sizes) <= 1
        for key, values in expected.items():
            np.testing.assert_array_equal(np.concatenate([batch[key] for batch in actual]), values)
    labels = np.concatenate([batch["label"] for batch in whole])
    for epoch in range(len(labels) // 11):
        assert sorted(labels[11 * epoch :][:11]) == list(range(11))


def test_a_resumed_run_reads_what_an_uninterrupted_run_does():
    augmentation = Augmentation()
    whole = list(_training(7, 3, (0, 6), augmentation=augmentation))
    for step in range(6):
        rest = list(_training(7, 3, (step, 6), augmentation=augmentation))
        for a, b in zip(whole[step:], rest, strict=True):
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])


def test_a_resumed_run_loads_no_earlier_examples():
    loaded = []

    def load(example, crop):
        index = tf.numpy_function(lambda i: loaded.append(int(i)) or i, [example["index"]], tf.int64)
        image = tf.zeros([67, 67, 3], tf.uint8)
        return {"image": image, "label": tf.ensure_shape(index, []), "weight": tf.ones([])}

    split = indexed_split.IndexedSplit(1_000_000, load)
    batches = pipeline.training_batches(split, 1_000_000, 4, SIZES, PLAIN, 1, range(2_000_000, 2_000_003))
    assert sorted(np.concatenate([batch["label"] for batch in batches])) == sorted(loaded)


def test_groups_share_crop_and_flip_but_not_colors():
    (batch,) = _training(64, 64, (0, 1), augmentation=Augmentation(crop_group_size=32))
    flips, colors = batch["flip"].numpy(), batch["color"].numpy()
    assert len(set(flips[:32])) == len(set(flips[32:])) == 1
    assert len(np.unique(colors, axis=0)) == 64
    draws = Draws(1, 64, Augmentation(crop_group_size=32))
    offsets = np.concatenate([draws.offsets(step) for step in range(40)])
    assert len(np.unique(offsets, axis=0)) == 80
    assert 0.4 < np.mean([draws.flips(step)[::32] for step in range(300)]) < 0.6
    assert abs(np.std([draws.colors(step) for step in range(50)]) - 0.1) < 0.005


def test_network_input_follows_the_2012_code():
    rng = np.random.default_rng(0)
    batch = {
        "image": tf.constant(rng.integers(0, 256, (2, 4, 4, 3)), tf.uint8), "flip": tf.constant([True, False]),
        "color": tf.constant(rng.normal(size=(2, 3)), tf.float32),
    }  # fmt: skip
    mean = rng.uniform(size=(4, 4, 3)).astype(np.float32) * 200
    values, vectors = statistics.IMAGENET_COLOR_PCA
    flipped = np.stack([batch["image"].numpy()[0, :, ::-1], batch["image"].numpy()[1]]).astype(np.float64)
    shift = [vectors.astype(np.float64) @ (s * np.sqrt(values)) for s in batch["color"].numpy()]
    expected = (flipped - mean + np.array(shift)[:, None, None]) / 1.1
    np.testing.assert_allclose(network_input(batch, mean, (values, vectors), 1.1), expected, atol=2e-4)
    np.testing.assert_allclose(network_input(batch, mean), flipped - mean, atol=1e-4)


def test_imagenets_components_are_orthonormal():
    values, vectors = statistics.IMAGENET_COLOR_PCA
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-3)
    np.testing.assert_allclose(np.sqrt(values), [121.8, 37.1, 19.7], rtol=1e-6)


def test_evaluation_counts_each_example_once():
    labels = []
    for batch in pipeline.evaluation_batches(_toy_split(7), 7, 4, SIZES):
        labels += list(batch["label"].numpy()[batch["weight"].numpy() > 0])
    assert labels == list(range(7))


def test_evaluation_is_the_same_every_time(folder):
    split = datasets.open_dataset(f"folder:{folder}").train
    one, two = (list(pipeline.evaluation_batches(split, 2, 8, SIZES)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a["image"], b["image"])


def test_a_label_outside_the_classes_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels must be in"):
        list(pipeline.training_batches(_toy_split(7), 6, 7, SIZES, PLAIN, 1, range(1)))
