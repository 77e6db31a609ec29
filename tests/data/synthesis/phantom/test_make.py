"""Phantoms as a whole: reproducible, labelled as VerSe is, varied, written in VerSe's layout."""

import json

import numpy as np
import pytest

from spine_tf.data.loading import load_case
from spine_tf.data.synthesis.phantom import make_phantom, write_phantom, write_phantoms
from spine_tf.scans.labels import spine_mask

SMALL = {"shape": (56, 64, 80), "spacing_mm": 2.5}


@pytest.fixture(scope="module")
def lumbar():
    return make_phantom(3, region="lumbar", **SMALL)


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(lumbar, tmp_path):
    again, other = make_phantom(3, region="lumbar", **SMALL), make_phantom(4, region="lumbar", **SMALL)
    np.testing.assert_array_equal(lumbar.hu, again.hu)
    np.testing.assert_array_equal(lumbar.labels, again.labels)
    assert lumbar.centroids == again.centroids
    assert (lumbar.hu != other.hu).mean() > 0.5
    first, second = (write_phantom(p, tmp_path / n, "a") for p, n in ((lumbar, "one"), (again, "two")))
    for one, two in ((first.image, second.image), (first.mask, second.mask), (first.centroids, second.centroids)):
        assert one.read_bytes() == two.read_bytes()


def test_arrays_are_what_is_promised(lumbar):
    assert lumbar.hu.dtype == np.int16
    assert lumbar.labels.dtype == np.uint8
    assert lumbar.hu.shape == lumbar.labels.shape == (56, 64, 80)
    assert lumbar.spacing_mm == (2.5, 2.5, 2.5)
    assert lumbar.hu.min() >= -1024
    assert lumbar.hu.max() <= 3071


def test_labels_are_consecutive_and_go_down_the_spine(lumbar):
    present = sorted(set(np.unique(lumbar.labels)) - {0, 26})
    chain = [label for label in lumbar.description["labels"] if label in present]
    first = lumbar.description["labels"].index(chain[0])
    assert tuple(chain) == tuple(lumbar.description["labels"][first : first + len(chain)])
    heights = [lumbar.centroids[label][2] for label in chain if label in lumbar.centroids]
    assert heights == sorted(heights, reverse=True)
    assert len(heights) >= 3


@pytest.mark.parametrize("seed", range(4))
def test_a_centroid_lies_in_the_body_of_its_vertebra(seed):
    phantom = make_phantom(seed, region="thoracolumbar", shape=(100, 110, 90), spacing_mm=2.5)
    assert phantom.centroids
    whole = 0
    for label, centre in phantom.centroids.items():
        at = tuple(round(c) for c in centre)
        assert phantom.labels[at] == label
        # VerSe's centroid is the body's, in front of the whole vertebra's centre of mass.
        voxels = np.argwhere(phantom.labels == label)
        if voxels.min() > 0 and np.all(voxels.max(0) < np.array(phantom.labels.shape) - 1):
            assert centre[1] > voxels.mean(0)[1]
            whole += 1
    assert whole >= 3


def test_bone_is_bright_and_spongy_bone_is_not_as_bright(lumbar):
    inside = [lumbar.hu[tuple(round(c) + d for c, d in zip(centre, (0, 2, 0), strict=True))]
              for centre in lumbar.centroids.values()]  # fmt: skip
    assert -20 < np.median(inside) < 400
    spine = spine_mask(lumbar.labels)
    assert 400 < np.percentile(lumbar.hu[spine], 90) < 1400
    assert np.median(lumbar.hu[spine]) > np.median(lumbar.hu[~spine]) + 100


def test_the_field_of_view_varies():
    phantoms = [make_phantom(seed) for seed in range(4)]
    assert len({p.hu.shape for p in phantoms}) == 4
    assert len({p.description["region"] for p in phantoms}) >= 2
    assert len({p.description["around"] for p in phantoms}) >= 2
    for phantom in phantoms:
        assert phantom.hu.size <= 4.2e6
        assert min(phantom.spacing_mm) >= 0.69
        assert max(phantom.spacing_mm) <= 5.0


def test_nothing_is_labelled_where_there_are_no_data():
    from spine_tf.data.synthesis.phantom.make import TILTED

    empty = 0
    for seed in range(30):
        phantom = make_phantom(seed, region="lumbar", shape=(24, 40, 24), spacing_mm=4.0)
        # Noise in air seldom reaches the lowest HU; a border without data is all of it.
        border = phantom.hu.min(axis=2) == -1024
        if border.all(axis=0).any() or border[0].all():
            empty += 1
        assert not phantom.labels[phantom.hu == -1024].any()
        assert abs(phantom.description["gantry_deg"]) <= 20
    assert empty > 0
    assert 0 < TILTED < 0.2


def test_held_out_phantoms_are_bent_and_hold_metal():
    held_out = make_phantom(0, anatomy="scoliosis_metal", region="thoracolumbar", shape=(72, 60, 130), spacing_mm=2.5)
    assert held_out.description["cobb_deg"] >= 35
    assert len(held_out.description["screws"]) >= 4
    assert (held_out.hu > 2800).sum() > 50
    assert all(make_phantom(seed, shape=(16, 16, 16)).description["cobb_deg"] <= 25.1 for seed in range(5))


def test_a_written_phantom_reads_back_through_the_usual_reader(lumbar, tmp_path):
    case = write_phantom(lumbar, tmp_path, "p0003")
    assert case.case_id == "sub-p0003"
    assert case.image == tmp_path / "rawdata/sub-p0003/sub-p0003_ct.nii.gz"
    assert case.mask == tmp_path / "derivatives/sub-p0003/sub-p0003_seg-vert_msk.nii.gz"
    volume, labels = load_case(case)
    np.testing.assert_array_equal(volume.array, lumbar.hu)
    np.testing.assert_array_equal(labels, lumbar.labels)
    np.testing.assert_allclose(volume.affine, lumbar.affine, atol=1e-3)
    assert not list(tmp_path.rglob("*.part"))


def test_centroids_are_written_along_the_stored_direction(tmp_path):
    import nibabel as nib

    turned = set()
    for seed in (0, 1, 2, 5):
        phantom = make_phantom(seed, region="lumbar", shape=(40, 48, 56), spacing_mm=3.0)
        case = write_phantom(phantom, tmp_path, f"p{seed}")
        head, *entries = json.loads(case.centroids.read_text())
        stored = nib.load(case.mask)
        assert tuple(head["direction"]) == nib.aff2axcodes(stored.affine)
        turned.add("".join(head["direction"]))
        for entry in entries:
            at = tuple(round(entry[axis]) for axis in "XYZ")
            assert np.asarray(stored.dataobj)[at] == entry["label"]
    assert len(turned) > 1


def test_complete_cases_are_kept_and_incomplete_ones_made_again(lumbar, tmp_path):
    case = write_phantom(lumbar, tmp_path, "phantom0001")
    kept = case.image.read_bytes()
    assert write_phantoms(tmp_path, [1], progress=False) == [case]
    assert case.image.read_bytes() == kept
    case.image.unlink()
    assert write_phantoms(tmp_path, [1], progress=False) == [case]
    assert load_case(case)[0].array.shape == make_phantom(1).hu.shape


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"anatomy": "fish"}, "anatomy"),
        ({"region": "tail"}, "region"),
        ({"shape": (8, 64, 64)}, "shape"),
        ({"spacing_mm": 0.0}, "spacing_mm"),
    ],
)
def test_useless_arguments_are_refused_by_name(arguments, named):
    with pytest.raises(ValueError, match=f"{named} must .*Received"):
        make_phantom(0, **arguments)
