import json

import numpy as np
import pytest

from spine_tf.data.centroids import (
    Centroids,
    centroids_mm,
    label_centroids,
    read_centroids,
    reorient_centroids,
    write_centroids,
)
from spine_tf.scans import read_label_map, volume_from_array

PIR = ("P", "I", "R")
# Stored along P, I, R with voxels of 1, 1 and 2 mm: 10 x 12 x 8 of them, the first at (5, 20, 30) mm.
PIR_AFFINE = np.array([[0, 0, 2, 5], [-1, 0, 0, 20], [0, -1, 0, 30], [0, 0, 0, 1]], float)


def image(labels=None):
    return volume_from_array(np.zeros((10, 12, 8), np.int16) if labels is None else labels, PIR_AFFINE)


def write(path, entries):
    path.write_text(json.dumps(entries))
    return path


def test_a_file_there_and_back(tmp_path):
    centroids = Centroids(PIR, {20: (75.1, 35.0, 22.6), 19: (70.04, 1.0, 3.0)})
    write_centroids(tmp_path / "ctd.json", centroids)
    assert json.loads((tmp_path / "ctd.json").read_text()) == [
        {"direction": ["P", "I", "R"]},
        {"label": 19, "X": 70.0, "Y": 1.0, "Z": 3.0},
        {"label": 20, "X": 75.1, "Y": 35.0, "Z": 22.6},
    ]
    assert read_centroids(tmp_path / "ctd.json") == Centroids(PIR, {19: (70.0, 1.0, 3.0), 20: (75.1, 35.0, 22.6)})


def test_entries_without_a_place_are_skipped(tmp_path):
    place = {"X": 1.0, "Y": 2.0, "Z": 3.0}
    entries = [{"direction": list(PIR)}, {"label": 5} | place, {"label": 6} | place | {"Y": np.nan}]
    path = write(tmp_path / "ctd.json", [*entries, {"label": 7, "X": None, "Y": None, "Z": None}])
    assert "NaN" in path.read_text()
    assert read_centroids(path).points == {5: (1.0, 2.0, 3.0)}


def test_an_empty_list_is_a_finding_and_needs_no_direction(tmp_path):
    assert read_centroids(write(tmp_path / "ctd.json", [])).points == {}
    assert read_centroids(write(tmp_path / "ctd.json", [{"direction": list(PIR)}])) == Centroids(PIR, {})


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"label": 5, "X": 1, "Y": 2, "Z": 3}], "direction.* once.*Received: 0 such entries"),
        ([{"direction": ["P", "I", "S"]}], r"one letter of each of R/L, A/P and S/I. Received: \['P', 'I', 'S'\]"),
        ([{"direction": ["RL", "A", "S"]}], "one letter of each"),
        ([{"direction": list(PIR)}, {"label": 5, "X": 1, "Y": 2}], "must be a list of .*Received: KeyError: 'Z'"),
        ([{"direction": list(PIR)}, *[{"label": 5, "X": 1, "Y": 2, "Z": 3}] * 2], r"Received: \[5\] more than once"),
        ({"L1": [1, 2, 3]}, "must be a list of"),
        (7, "must be a list of"),
    ],
)
def test_what_is_no_centroid_file_is_refused_by_its_name(tmp_path, entries, message):
    with pytest.raises(ValueError, match=f"odd_ctd.json: .*{message}"):
        read_centroids(write(tmp_path / "odd_ctd.json", entries))


def test_a_broken_file_is_refused(tmp_path):
    (tmp_path / "ctd.json").write_text('[{"direction": ["P"')
    with pytest.raises(ValueError, match=r"ctd.json: .*Received: JSONDecodeError"):
        read_centroids(tmp_path / "ctd.json")


def test_turning_by_the_official_rule_there_and_back():
    there = reorient_centroids(Centroids(PIR, {20: (1.5, 2.0, 3.0)}), ("R", "A", "S"), image())
    # R is the third axis; A is 10 - 1.5 and S 12 - 2, where the same voxel is one less.
    assert there == Centroids(("R", "A", "S"), {20: (3.0, 8.5, 10.0)})
    assert reorient_centroids(there, PIR, image()) == Centroids(PIR, {20: (1.5, 2.0, 3.0)})
    with pytest.raises(ValueError, match=r"direction must be one letter.*Received: \['R', 'A'\]"):
        reorient_centroids(there, ("R", "A"), image())


def test_places_in_mm_along_the_files_own_direction():
    at = centroids_mm(Centroids(PIR, {20: (1.5, 2.0, 3.0)}), image())
    np.testing.assert_allclose(at[20], (5 + 2 * 3, 20 - 1.5, 30 - 2))
    # The first voxel along L, A, S is the last along P, I, R: 5 + 7 * 2, 20 - 9 and 30 - 11 mm.
    np.testing.assert_allclose(centroids_mm(Centroids(("L", "A", "S"), {1: (0, 0, 0)}), image())[1], (19, 11, 19))


def test_the_challenges_iso_files_count_millimetres(tmp_path):
    path = write(
        tmp_path / "verse500_CT-ax_iso-ctd.json", [{"direction": list(PIR)}, {"label": 3, "X": 1, "Y": 2, "Z": 6}]
    )
    iso = read_centroids(path)
    np.testing.assert_allclose(centroids_mm(iso, image())[3], (5 + 6, 20 - 1, 30 - 2))
    assert reorient_centroids(iso, PIR, image()) == Centroids(PIR, {3: (1.0, 2.0, 3.0)})


def test_centres_of_mass_of_vertebrae_alone():
    labels = np.zeros((10, 12, 8), np.int16)
    labels[2:4, 3, 5] = 28
    labels[8, 8, 2:5] = 1
    labels[0, 0, 0], labels[9, 0, 0] = 26, 40
    centroids = label_centroids(image(labels))
    assert centroids.direction == PIR
    assert centroids.points == {1: (8.0, 8.0, 3.0), 28: (2.5, 3.0, 5.0)}
    np.testing.assert_allclose(centroids_mm(centroids, image())[28], (5 + 10, 20 - 2.5, 30 - 3))


@pytest.mark.parametrize(
    ("mask", "centroids"),
    [
        ("verse014/sub-verse014_seg-vert_msk.nii.gz", "verse014/sub-verse014_seg-vb_ctd.json"),
        ("verse010-mask/sub-verse010_seg-vert_msk.nii.gz", "verse010-mask/sub-verse010_seg-subreg_ctd.json"),
    ],
)
def test_verses_own_centroids_lie_in_their_vertebrae(shared_data, tmp_path, mask, centroids):
    labels, theirs = read_label_map(shared_data / mask), read_centroids(shared_data / centroids)
    assert theirs.direction == PIR
    ours_mm, theirs_mm = centroids_mm(label_centroids(labels), labels), centroids_mm(theirs, labels)
    assert sorted(theirs_mm) == sorted(ours_mm) == [20, 21, 22, 23, 24]
    for label, place in theirs_mm.items():
        voxel = np.linalg.inv(labels.affine)[:3] @ [*place, 1]
        assert labels.array[tuple(np.rint(voxel).astype(int))] == label
        behind = place - ours_mm[label]
        # The middle of the body lies in front of the vertebra's centre of mass.
        assert 9 < behind[1] < np.linalg.norm(behind) < 18
    write_centroids(tmp_path / "ctd.json", theirs)
    assert read_centroids(tmp_path / "ctd.json") == theirs


def test_real_files_without_a_direction_are_refused(shared_data):
    for path in sorted((shared_data / "verse-ctd-json").glob("*.json")):
        with pytest.raises(ValueError, match=f"{path.name}: centroids must say .*Received: 0 such entries"):
            read_centroids(path)
