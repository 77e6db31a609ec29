import numpy as np
import pytest

from spine_tf.config import AugmentConfig, DataConfig, PreprocessSpec
from spine_tf.data.pipeline import Share, epoch_order, steps_per_epoch, training_dataset, validation_dataset

SPEC = PreprocessSpec(image_size=32)
DATA = DataConfig(batch_size=4, triplets_per_case=8)
AUGMENT = AugmentConfig(min_box_mm=10.0)


def _take(dataset, n):
    return [(images, mask.numpy()) for images, mask in dataset.take(n)]


def test_an_epoch_draws_every_case_equally_often():
    order = epoch_order(3, 8, seed=0, epoch=0)
    assert np.bincount(order).tolist() == [8, 8, 8]
    assert order.tolist() != epoch_order(3, 8, seed=0, epoch=1).tolist()


def test_batches_have_the_networks_inputs(cube_case, empty_case):
    ((images, mask),) = _take(training_dataset([cube_case, empty_case], SPEC, DATA, AUGMENT, seed=0), 1)
    assert set(images) == {"axial", "coronal", "sagittal"}
    assert all(image.shape == (4, 32, 32, 3) and image.dtype == np.float32 for image in images.values())
    assert mask.shape == (4, 32, 32, 3)


def test_a_seed_gives_the_same_triplets_whatever_the_number_of_workers(cube_case, empty_case):
    one, three = (
        _take(training_dataset([cube_case, empty_case], SPEC, data, AUGMENT, seed=5), 3)
        for data in (DATA, DataConfig(batch_size=4, triplets_per_case=8, workers=3))
    )
    for (_, a), (_, b) in zip(one, three, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_later_first_epoch_goes_on_where_the_stream_would_be(cube_case, empty_case):
    cases = [cube_case, empty_case]
    steps = steps_per_epoch(len(cases), DATA)
    assert steps == 4
    through = _take(training_dataset(cases, SPEC, DATA, AUGMENT, seed=1), 2 * steps)[steps:]
    resumed = _take(training_dataset(cases, SPEC, DATA, AUGMENT, seed=1, first_epoch=1), steps)
    for (images_a, a), (images_b, b) in zip(through, resumed, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(images_a["coronal"], images_b["coronal"])


def test_the_shares_of_two_workers_are_the_batches_of_one(cube_case, empty_case):
    cases = [cube_case, empty_case]
    whole, *halves = (
        _take(training_dataset(cases, SPEC, DATA, AUGMENT, seed=5, first_epoch=1, share=share), 5)
        for share in (Share(), Share(0, 2), Share(1, 2))
    )
    for number, (images, mask) in enumerate(whole):
        parts = [half[number] for half in halves]
        np.testing.assert_array_equal(mask, np.concatenate([part for _, part in parts]))
        for view, image in images.items():
            np.testing.assert_array_equal(image, np.concatenate([part[view] for part, _ in parts]))
    # A worker with two devices hands each of them one triplet of its two.
    devices = _take(training_dataset(cases, SPEC, DATA, AUGMENT, seed=5, first_epoch=1, share=Share(1, 2, 2)), 10)
    np.testing.assert_array_equal(np.concatenate([m for _, m in devices]), np.concatenate([m for _, m in halves[1]]))


def test_validation_is_finite_and_the_same_each_time(cube_case):
    dataset = validation_dataset([cube_case], SPEC, DATA, triplets_per_case=6)
    first, again = _take(dataset, 10), _take(dataset, 10)
    assert [mask.shape[0] for _, mask in first] == [4, 2]
    assert dataset.cardinality() == 2
    for (_, a), (_, b) in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_of_a_share_is_every_second_batch(cube_case):
    whole, *parts = (
        _take(validation_dataset([cube_case], SPEC, DATA, triplets_per_case=10, share=share), 10)
        for share in (Share(), Share(0, 2), Share(1, 2))
    )
    assert [len(part) for part in (whole, *parts)] == [3, 2, 1]
    for (_, a), (_, b) in zip(whole, [parts[0][0], parts[1][0], parts[0][1]], strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_case_is_refused():
    with pytest.raises(ValueError, match="at least one case"):
        training_dataset([], SPEC, DATA, AUGMENT, seed=0)
