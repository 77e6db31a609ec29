import itertools
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff

from spine_tf.config import PreprocessSpec
from spine_tf.inference.engines import Engine, load_engine
from spine_tf.inference.volume import segment_volume
from spine_tf.scans import read_scan, volume_from_array, write_mask
from tests.support.scans import bright_block_hu

AFFINE = np.diag([1.0, 1.5, 2.0, 1.0])
ORIENTATIONS = [
    np.column_stack([axes, flips])
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


@pytest.fixture(scope="module")
def engine(threshold_run) -> Engine:
    return load_engine(threshold_run)


def test_a_bright_block_is_found(engine):
    hu = bright_block_hu()
    result = segment_volume(volume_from_array(hu, AFFINE), engine)
    truth = hu == 1000
    overlap = 2 * (result.mask & truth).sum() / (result.mask.sum() + truth.sum())
    assert overlap > 0.9
    assert result.probability.shape == hu.shape
    assert result.probability.dtype == np.float32
    assert result.positions == 32
    assert set(result.seconds) == {"prepare", "network", "fuse", "clean_up"}


def test_all_48_orientations_give_the_same_mask_on_their_own_grid(engine, tmp_path):
    hu = bright_block_hu()
    canonical = segment_volume(volume_from_array(hu, AFFINE), engine).mask
    assert len(ORIENTATIONS) == 48
    for number, turn in enumerate(ORIENTATIONS):
        stored = apply_orientation(hu, turn)
        affine = AFFINE @ inv_ornt_aff(turn, hu.shape)
        path = tmp_path / f"scan{number}.nii.gz"
        nib.save(nib.Nifti1Image(stored, affine), path)
        volume = read_scan(path)
        write_mask(tmp_path / "mask.nii.gz", segment_volume(volume, engine).mask, volume)
        written = nib.load(tmp_path / "mask.nii.gz")
        assert written.shape == stored.shape
        np.testing.assert_array_equal(written.affine, nib.load(path).affine)
        np.testing.assert_array_equal(np.asarray(written.dataobj), apply_orientation(canonical, turn))


def test_slabs_and_batches_change_nothing(engine, monkeypatch):
    volume = volume_from_array(bright_block_hu(), AFFINE)
    whole = segment_volume(volume, engine, batch_size=8)
    monkeypatch.setattr("spine_tf.inference.volume.SLAB", 5)
    parts = segment_volume(volume, engine, batch_size=3)
    np.testing.assert_allclose(whole.probability, parts.probability, atol=1e-5)


def test_batches_at_once_change_nothing(engine):
    """They end in any order; that each has a function of its own is for test_lanes.py."""
    volume = volume_from_array(bright_block_hu(), AFFINE)
    one_by_one, at_once = (segment_volume(volume, replace(engine, at_once=n), batch_size=2) for n in (1, 4))
    np.testing.assert_array_equal(at_once.probability, one_by_one.probability)


def test_the_body_box_leaves_zero_outside(engine):
    hu = np.full((64, 60, 40), -1000, np.int16)
    hu[16:48, 16:44, 10:30] = bright_block_hu()
    spec = replace(engine.spec, body_box=True)
    boxed = segment_volume(volume_from_array(hu, AFFINE), replace(engine, spec=spec))
    inside = segment_volume(volume_from_array(bright_block_hu(), AFFINE), engine)
    np.testing.assert_allclose(boxed.probability[16:48, 16:44, 10:30], inside.probability, atol=1e-5)
    boxed.probability[16:48, 16:44, 10:30] = 0
    assert not boxed.probability.any()


def test_without_reorienting_the_mask_still_lies_on_the_scan(engine):
    hu = bright_block_hu()
    turn = ORIENTATIONS[20]
    volume = volume_from_array(apply_orientation(hu, turn), AFFINE @ inv_ornt_aff(turn, hu.shape))
    result = segment_volume(volume, replace(engine, spec=replace(engine.spec, canonical=False)))
    truth = hu == 1000
    assert 2 * (result.mask & truth).sum() / (result.mask.sum() + truth.sum()) > 0.9


def test_clean_up_drops_what_is_small(engine):
    hu = bright_block_hu()
    hu[25:28, 1:4, 15:18] = 1000
    volume = volume_from_array(hu, AFFINE)
    kept, cleaned = segment_volume(volume, engine, clean_up=False).mask, segment_volume(volume, engine).mask
    assert kept[25:28, 1:4, 15:18].any()
    assert not cleaned[25:28, 1:4, 15:18].any()
    assert (cleaned <= kept).all()


@pytest.mark.parametrize("shape", [(9, 33, 70), (40, 8, 8), (31, 1, 64)])
def test_any_shape_goes_through(engine, shape):
    hu = np.random.default_rng(1).integers(-1000, 1500, shape).astype(np.int16)
    spec = replace(engine.spec, max_positions=0)
    result = segment_volume(volume_from_array(hu, AFFINE), replace(engine, spec=spec))
    assert result.mask.shape == shape
    assert result.positions == max(shape)
    assert 0 <= result.probability.min() <= result.probability.max() <= 1 + 1e-6


def test_the_threshold_is_the_specs():
    def half(axial, coronal, sagittal):
        return np.full_like(axial, 0.5)

    volume = volume_from_array(bright_block_hu(), AFFINE)
    for threshold, found in ((0.4, True), (0.6, False)):
        spec = PreprocessSpec(image_size=32, threshold=threshold, body_box=False)
        assert segment_volume(volume, Engine(half, spec, {}, "half")).mask.all() == found


ISOTROPIC = PreprocessSpec(image_size=32, smoothing_mm=0.0, body_box=False, pixel_mm=1.0)


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("coarse_to_fine", [False, True])
def test_isotropic_tiles_find_the_block_in_a_scan_larger_than_an_image(engine, coarse_to_fine, flips):
    # 96 x 75 x 80 mm: three tiles of 32 mm or more along each axis; a first look at 3 mm sees it whole.
    hu = np.zeros((96, 50, 40), np.int16)
    hu[50:66, 20:30, 8:20] = 1000
    spec = replace(ISOTROPIC, coarse_to_fine=coarse_to_fine)
    result = segment_volume(volume_from_array(hu, AFFINE), replace(engine, spec=spec), flips=flips)
    truth = hu == 1000
    assert 2 * (result.mask & truth).sum() / (result.mask.sum() + truth.sum()) > 0.9
    assert 0 <= result.probability.min() <= result.probability.max() <= 1 + 1e-5


def test_coarse_to_fine_looks_twice_at_less(engine):
    hu = np.zeros((96, 50, 40), np.int16)
    hu[50:66, 20:30, 8:20] = 1000
    volume = volume_from_array(hu, AFFINE)
    once = segment_volume(volume, replace(engine, spec=ISOTROPIC))
    twice = segment_volume(volume, replace(engine, spec=replace(ISOTROPIC, coarse_to_fine=True)))
    assert twice.positions < once.positions
    # Beyond the margin of 30 mm the second look has seen nothing.
    assert not twice.probability[:15].any()
    assert once.probability[:15].any()


def test_coarse_to_fine_with_resized_slices(engine):
    hu = np.zeros((96, 50, 40), np.int16)
    hu[50:66, 20:30, 8:20] = 1000
    spec = replace(engine.spec, coarse_to_fine=True)
    result = segment_volume(volume_from_array(hu, AFFINE), replace(engine, spec=spec))
    truth = hu == 1000
    assert 2 * (result.mask & truth).sum() / (result.mask.sum() + truth.sum()) > 0.9
    assert not result.probability[:15].any()


def test_a_scan_that_fits_one_image_is_looked_at_once(engine):
    volume = volume_from_array(bright_block_hu((20, 28, 20)), np.eye(4))
    results = [
        segment_volume(volume, replace(engine, spec=replace(ISOTROPIC, coarse_to_fine=switch)))
        for switch in (True, False)
    ]
    np.testing.assert_array_equal(results[0].probability, results[1].probability)
    assert results[0].positions == 28


def test_where_the_first_look_finds_nothing_the_second_sees_it_all(engine):
    # A block of 2 mm vanishes in pixels of 3 mm.
    hu = np.zeros((96, 50, 40), np.int16)
    hu[50:52, 20:22, 8:9] = 1300
    spec = replace(ISOTROPIC, coarse_to_fine=True)
    result = segment_volume(volume_from_array(hu, AFFINE), replace(engine, spec=spec))
    assert result.mask[50, 20, 8]


def test_flips_of_a_symmetric_network_change_nothing(engine):
    volume = volume_from_array(bright_block_hu(), AFFINE)
    plain, flipped = (segment_volume(volume, engine, flips=flips) for flips in (False, True))
    np.testing.assert_allclose(plain.probability, flipped.probability, atol=0.1)
    assert flipped.positions == 2 * plain.positions


def test_fast_takes_every_second_step_and_interpolates():
    hu = np.broadcast_to(10 * np.arange(32.0), (32, 32, 32))  # a ramp along z, which interpolation gives back
    spec = PreprocessSpec(image_size=32, smoothing_mm=0.0, body_box=False, normalise="window")
    ramp = Engine(lambda a, c, s: np.stack([v[..., 1] for v in (a, c, s)], -1), spec, {}, "its own slices")
    volume = volume_from_array(np.float32(hu), AFFINE)
    every, half = (segment_volume(volume, ramp, clean_up=False, fast=fast) for fast in (False, True))
    assert (every.positions, half.positions) == (32, 16)
    np.testing.assert_allclose(half.probability, every.probability, atol=1e-5)
    spike = np.zeros((32, 32, 32), np.float32)
    spike[1] = 1000  # position 0 takes slice 0, position 1 slice 2
    every, half = (
        segment_volume(volume_from_array(spike, AFFINE), ramp, clean_up=False, fast=fast) for fast in (False, True)
    )
    assert half.probability[1].mean() < every.probability[1].mean()


def test_tiles_without_a_find_are_left_out_and_the_rest_is_as_before(engine):
    # Two blocks at opposite corners: the box around both has eight tiles and more, most of them with nothing in them.
    hu = np.zeros((96, 64, 48), np.int16)
    hu[2:18, 2:12, 2:12] = 1000
    hu[78:94, 52:62, 36:46] = 1000
    volume = volume_from_array(hu, AFFINE)
    results = [
        segment_volume(volume, replace(engine, spec=replace(ISOTROPIC, coarse_to_fine=switch))) for switch in (0, 1)
    ]
    np.testing.assert_array_equal(results[0].mask, results[1].mask)
    assert results[1].mask[10, 7, 7]
    assert results[1].mask[85, 57, 41]
    assert results[1].positions < results[0].positions
