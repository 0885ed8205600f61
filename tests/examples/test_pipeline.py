import dataclasses
import itertools
import shutil

import numpy as np
import pytest

from examples.deepfake_v3.loading import pipeline as pipeline_module
from examples.deepfake_v3.loading.data import ImageList, check_data_dir
from examples.deepfake_v3.loading.images import crop_to_size, read_image
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.loading.pipeline import (
    Batches,
    PixelCache,
    Share,
    choose_pipeline,
    make_dataset,
    measure_rate,
)

PIPELINES = ("tf", "grain")


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_unbalanced_classes_are_weighted_in_training_only(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    images = ImageList(images.paths[:3], images.labels[:3])
    for training, expected in ((True, {0: 0.75, 1: 1.5}), (False, {0: 1.0, 1: 1.0})):
        dataset = make_dataset(
            images, image_size=24, batch_size=3, training=training, pipeline=pipeline
        )
        _, labels, weights = (np.asarray(part) for part in next(iter(dataset)))
        assert dict(zip(labels, weights, strict=True)) == expected


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_evaluation_order_and_pixels(data_dir, pipeline):
    images = check_data_dir(data_dir)["val"]
    batches = list(
        make_dataset(
            images, image_size=40, batch_size=3, training=False, pipeline=pipeline
        )
    )
    pixels = np.concatenate([np.asarray(batch[0]) for batch in batches])
    labels = np.concatenate([np.asarray(batch[1]) for batch in batches])
    expected = [crop_to_size(read_image(path), 40) for path in images.paths]
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.stack(expected))
    np.testing.assert_array_equal(labels, images.labels)


def first_epochs(images, pipeline, seed, count):
    """Pixels and labels of the first epochs, of two batches of 2 images each."""
    dataset = make_dataset(
        images,
        image_size=24,
        batch_size=2,
        training=True,
        seed=seed,
        pipeline=pipeline,
    )
    batches = iter(dataset)
    epochs = [(next(batches), next(batches)) for _ in range(count)]
    return [
        [
            np.concatenate([np.asarray(batch[part]) for batch in epoch])
            for part in (0, 1)
        ]
        for epoch in epochs
    ]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_training_shows_every_image_once_an_epoch_cropped_anew(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    images = dataclasses.replace(images, labels=np.arange(4) % 2)
    epochs = first_epochs(images, pipeline, 0, 4)
    assert all(sorted(labels) == [0, 0, 1, 1] for _, labels in epochs)
    assert len({pixels.tobytes() for pixels, _ in epochs}) == 4
    whole = [read_image(path).astype("float32") for path in images.paths]
    for pixels, _ in epochs:  # which image a crop is of, by its pixels
        windows = [
            np.lib.stride_tricks.sliding_window_view(image, (24, 24, 3))
            for image in whole
        ]
        found = [
            next(
                index
                for index, views in enumerate(windows)
                if (views == crop).all(axis=(3, 4, 5)).any()
            )
            for crop in pixels
        ]
        assert sorted(found) == [0, 1, 2, 3]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_training_is_deterministic_given_the_seed(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    first, again, other = (
        np.stack([pixels for pixels, _ in first_epochs(images, pipeline, seed, 3)])
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_unknown_pipeline_is_refused():
    with pytest.raises(ValueError, match=r"`pipeline` must be .*pipeline='csv'"):
        choose_pipeline("csv")


def some_batches(images, pipeline, count, **arguments):
    dataset = make_dataset(
        images,
        image_size=24,
        batch_size=3,
        training=True,
        pipeline=pipeline,
        **arguments,
    )
    return [
        [np.asarray(part) for part in batch]
        for batch in itertools.islice(dataset, count)
    ]


def assert_same_batches(batches, others):
    for batch, other in zip(batches, others, strict=True):
        for part, other_part in zip(batch, other, strict=True):
            np.testing.assert_array_equal(part, other_part)


def test_both_pipelines_give_the_same_batches(data_dir):
    images = check_data_dir(data_dir)["train"]
    tf, grain = (some_batches(images, pipeline, 5) for pipeline in PIPELINES)
    assert_same_batches(tf, grain)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_training_goes_on_at_any_step(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    whole = some_batches(images, pipeline, 6)
    assert_same_batches(whole[4:], some_batches(images, pipeline, 2, first_step=4))


def test_training_batches_are_full(data_dir):
    images = check_data_dir(data_dir)["train"]  # 4 images in batches of 3
    assert [len(batch[1]) for batch in some_batches(images, "grain", 4)] == [3] * 4


def test_cached_images_are_not_read_again(data_dir):
    images = check_data_dir(data_dir)["train"]
    cache = PixelCache(gigabytes=1)
    load = Batches(images, 24, 4, False, 0, cache, LostImages())
    first = load(0)[0]
    shutil.rmtree(data_dir)
    np.testing.assert_array_equal(load(0)[0], first)


def test_cache_keeps_what_fits_and_no_more(data_dir):
    images = check_data_dir(data_dir)["train"]
    image_bytes = 40 * 48 * 3
    cache = PixelCache(gigabytes=2.5 * image_bytes / 1e9)
    Batches(images, 24, 4, False, 0, cache, LostImages())(0)
    assert set(cache.pixels) == set(images.paths[:2])
    assert cache.free == int(2.5 * image_bytes) - 2 * image_bytes


def test_cache_is_empty_when_with_ends(data_dir):
    images = check_data_dir(data_dir)["train"]
    with PixelCache(gigabytes=1) as cache:
        load = Batches(images, 24, 4, False, 0, cache, LostImages())
        first = load(0)[0]
        assert cache.pixels
    np.testing.assert_array_equal(load(0)[0], first)
    assert not cache.pixels


def test_rate_counts_images_after_the_first_batch(monkeypatch):
    clock = iter([0.0, 0.2, 0.4, 0.6])
    monkeypatch.setattr(pipeline_module.time, "perf_counter", lambda: next(clock))
    batches = itertools.repeat((np.zeros(30), None, None))
    assert measure_rate(batches, seconds=0.5) == pytest.approx(3 * 30 / 0.6)


@pytest.mark.parametrize("training", [True, False])
def test_shares_of_hosts_make_up_the_batch(data_dir, training):
    images = check_data_dir(data_dir)["train"]
    cache = PixelCache()
    whole = Batches(images, 24, 4, training, 0, cache, LostImages())(0)
    shares = [
        Batches(images, 24, 4, training, 0, cache, LostImages(), Share(host, 2))(0)
        for host in range(2)
    ]
    for expected, *parts in zip(whole, *shares, strict=True):
        assert [len(part) for part in parts] == [2, 2]
        np.testing.assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_last_shared_batch_is_filled_up_with_weight_0(data_dir, pipeline):
    images = check_data_dir(data_dir)["val"]
    images = ImageList(images.paths[:3], images.labels[:3])
    _, labels, weights = zip(
        *make_dataset(
            images,
            image_size=24,
            batch_size=2,
            training=False,
            pipeline=pipeline,
            share=Share(),
        ),
        strict=True,
    )
    np.testing.assert_array_equal(np.concatenate(labels)[:3], images.labels)
    weights = np.concatenate(weights)
    assert (weights[:3] == weights[0]).all()
    assert weights[3] == 0
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_as_many_training_images_as_asked_for_are_processed_anew(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    feed = {"image_size": 40, "batch_size": 200, "seed": 3, "pipeline": pipeline}

    def batches(training=True, **options):
        dataset = make_dataset(images, training=training, **feed, **options)
        found = iter(dataset)
        return [np.asarray(next(found)[0]) for _ in range(2 if training else 1)]

    plain, processed = batches(), batches(processed=0.3)
    for first, second in zip(plain, processed, strict=True):
        changed = np.any(first != second, axis=(1, 2, 3))
        # The crops of images of 48 columns are some of 9, for all others the same.
        assert 0.2 < changed.mean() < 0.4
    np.testing.assert_array_equal(processed, batches(processed=0.3))
    assert not np.array_equal(*processed)
    np.testing.assert_array_equal(
        batches(training=False), batches(training=False, processed=1.0)
    )
