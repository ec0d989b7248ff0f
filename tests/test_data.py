"""Image functions, sources and the pipeline, eagerly and inside `tf.data.map`."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.data import datasets, images, pipeline, shapes, sources, statistics

GEOMETRY = pipeline.Geometry(76, 67)
PLAIN = pipeline.Augmentation(random_crop=False, flip=False, colour_noise=False)


def _image(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    "function",
    [
        lambda image: images.resize_shorter_side(image, 20),
        lambda image: images.central_crop(image, 21),
        lambda image: images.random_crop(image, 21, [1, 2]),
        lambda image: images.flip(image[None], images.random_flip([3, 4])[None]),
        lambda image: images.ten_views(image[None], 25),
        lambda image: images.add_colour_noise(
            images.subtract_mean(image[None], tf.constant([1.0, 2.0, 3.0])),
            images.random_colour([5, 6])[None],
            tf.constant([9.0, 4.0, 1.0]),
            tf.eye(3),
        ),
    ],
)
def test_the_same_eagerly_and_in_a_map(function):
    image = _image(30, 40, 3)
    mapped = next(iter(tf.data.Dataset.from_tensors(image).map(function)))
    np.testing.assert_allclose(mapped, function(tf.constant(image)), atol=1e-4)


def test_resize_keeps_proportion_and_identity():
    assert images.resize_shorter_side(tf.constant(_image(512, 300, 3)), 256).shape == (437, 256, 3)
    same = _image(256, 300, 3)
    np.testing.assert_array_equal(images.resize_shorter_side(tf.constant(same), 256), same)


def test_random_crops_reach_every_place():
    image = tf.constant(np.arange(9).reshape(3, 3, 1).repeat(3, -1).astype(np.uint8))
    corners = {int(images.random_crop(image, 2, [0, i])[0, 0, 0]) for i in range(100)}
    assert corners == {0, 1, 3, 4}


def test_flip_only_where_asked():
    batch = _image(2, 4, 5, 3)
    found = images.flip(tf.constant(batch), tf.constant([False, True]))
    np.testing.assert_array_equal(found, np.stack([batch[0], batch[1, :, ::-1]]))


def test_colour_noise_formula():
    rng = np.random.default_rng(0)
    pixels, strengths = rng.normal(size=(2, 3, 4, 3)), rng.normal(size=(2, 3))
    values, vectors = np.array([14835.0, 1376.0, 388.0]), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    expected = pixels + np.stack([vectors @ (s * np.sqrt(values)) for s in strengths])[:, None, None]
    found = images.add_colour_noise(*(tf.constant(a, tf.float32) for a in (pixels, strengths, values, vectors)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_ten_views_in_order():
    batch = _image(1, 7, 7, 3)
    x = batch[0]
    plain = [x[:4, :4], x[:4, 3:], x[3:, :4], x[3:, 3:], x[1:5, 1:5]]
    np.testing.assert_array_equal(images.ten_views(tf.constant(batch), 4)[0], plain + [v[:, ::-1] for v in plain])


def test_decode_refuses_what_is_no_image():
    with pytest.raises(tf.errors.InvalidArgumentError):
        images.decode(b"not an image")


def test_statistics_are_numpys():
    batch = _image(5, 6, 6, 3)
    weights = np.array([1, 1, 0, 1, 1], np.float32)
    found = statistics.collect([(tf.constant(batch), tf.constant(weights))])
    kept = batch[weights > 0].astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(kept.reshape(-1, 3).T, bias=True))
    np.testing.assert_allclose(found.mean_image, kept.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.eigenvalues, values[::-1], rtol=1e-5)
    np.testing.assert_allclose(abs(found.eigenvectors), abs(vectors[:, ::-1]), rtol=1e-4, atol=1e-6)
    assert found.count == 4


def test_shapes_depend_on_seed_split_and_index_only():
    image, label = shapes.draw(3, "train", 17)
    again, again_label = shapes.draw(3, "train", 17)
    np.testing.assert_array_equal(image, again)
    assert label == again_label and image.shape == (256, 256, 3) and image.dtype == np.uint8
    for other in ((4, "train", 17), (3, "validation", 17), (3, "train", 18)):
        assert (shapes.draw(*other)[0] != image).any()
    assert sorted(shapes.draw(0, "train", i)[1] for i in range(20, 30)) == list(range(10))


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
    first, second = ([e["label"].numpy() for e in d.train.examples(0, None).take(20)] for d in (one, two))
    assert first == second == [0] * 10 + [1] * 10


def test_a_damaged_file_counts_for_nothing_and_is_named(folder):
    _write(folder, {"a/x.jpg": b"text", "a/y.png": (folder / "a" / "0.jpg").read_bytes()[:99]})
    dataset = datasets.open_dataset(f"folder:{folder}")
    weights = 0
    for split in (dataset.train, dataset.validation):
        for batch in pipeline.evaluation_batches(split, 2, 4, GEOMETRY):
            weights += batch["weight"].numpy().sum()
    assert weights == 22
    named = dataset.train.skipped | dataset.validation.skipped
    assert named == {str(folder / "a" / "x.jpg"), str(folder / "a" / "y.png")}


@pytest.mark.parametrize(
    "name, message",
    [("imagenet", "dataset must be"), ("builtin:digits", "builtin:shapes"), ("folder:{}/none", "folder that exists"),
     ("folder:{}/one", "two classes"), ("folder:{}/hollow", "no image"), ("tfds:no_such_set", "cannot be opened")],
)  # fmt: skip
def test_bad_datasets_are_named(name, message, tmp_path):
    _write(tmp_path, {"one/a/0.jpg": b"", "hollow/a/0.jpg": b"", "hollow/b/0.txt": b""})
    with pytest.raises(ValueError, match=message):
        datasets.open_dataset(name.format(tmp_path))


def _toy_split(count):
    def load(index):
        image = tf.fill([80, 90, 3], tf.cast(index, tf.uint8))
        return {"image": image, "label": index, "weight": tf.ones([])}

    return sources.IndexedSplit(count, load)


def test_each_example_once_an_epoch_and_orders_differ():
    batches = pipeline.training_batches(_toy_split(7), 7, 2, GEOMETRY, PLAIN, seed=1).take(7)
    labels = np.concatenate([batch["label"] for batch in batches])
    assert sorted(labels[:7]) == sorted(labels[7:]) == list(range(7))
    assert list(labels[:7]) != list(labels[7:])


def test_a_restart_sees_what_an_unbroken_run_would():
    augmentation = pipeline.Augmentation()
    whole = list(pipeline.training_batches(_toy_split(7), 7, 3, GEOMETRY, augmentation, seed=1).take(6))
    rest = list(pipeline.training_batches(_toy_split(7), 7, 3, GEOMETRY, augmentation, seed=1, start_step=4).take(2))
    for a, b in zip(whole[4:], rest, strict=True):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def test_evaluation_counts_each_example_once():
    labels = []
    for batch in pipeline.evaluation_batches(_toy_split(7), 7, 4, GEOMETRY):
        labels += list(batch["label"].numpy()[batch["weight"].numpy() > 0])
    assert labels == list(range(7))


def test_a_label_outside_the_classes_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels must be in"):
        list(pipeline.training_batches(_toy_split(7), 6, 7, GEOMETRY, PLAIN, seed=1).take(1))
