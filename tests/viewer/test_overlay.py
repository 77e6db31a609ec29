"""The picture: its proportions and which way round it is, read back from the PNG."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from spine_tf.scans import read_label_map, read_scan, volume_from_array
from spine_tf.viewer.overlay import ERRORS, TRUTH_COLOUR, compare, save_errors, save_overlay

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def _phantom(shape=(60, 80, 40)):
    """Air with a bright block in the patient's right, front, lower corner."""
    hu = np.full(shape, -1000, np.int16)
    hu[-20:-10, -20:-10, 5:10] = 1300
    return volume_from_array(hu, AFFINE)


def test_right_is_left_front_is_up_and_head_is_up(tmp_path):
    volume = _phantom()
    where = volume.array > 0
    save_overlay(tmp_path / "a.png", volume, {"spine": where})
    picture = imread(tmp_path / "a.png")
    height, width = picture.shape[:2]
    # Tinted pixels above the legend tell where the block is drawn.
    orange = np.argwhere(picture[: int(0.9 * height), :, 0] > picture[: int(0.9 * height), :, 2] + 0.2)
    for (left, right), up in zip(_panels(width), (True, False, False), strict=True):
        inside = orange[(orange[:, 1] > left) & (orange[:, 1] < right)]
        assert inside.size
        row, column = inside.mean(axis=0)
        assert column < (left + right) / 2  # the patient's right, or front, is on the left
        assert (row < height / 2) == up


def _panels(width):
    # Widths of the three panels are as 60/80, 60/80 and 80/80 (x/y, x/z, y/z in mm).
    edges = np.cumsum([0, 0.75, 0.75, 1.0]) / 2.5 * width
    return list(pairwise(edges))


def test_truth_is_drawn_in_its_own_colour(tmp_path):
    volume = _phantom()
    where = volume.array > 0
    save_overlay(tmp_path / "a.png", volume, {"spine": where}, truth=np.roll(where, 4, axis=1), title="case 7")
    picture = imread(tmp_path / "a.png")[..., :3]
    blue = np.array([int(TRUTH_COLOUR[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    assert (np.abs(picture - blue).max(axis=2) < 0.02).sum() > 100


@pytest.mark.parametrize("shape", [(60, 80, 40), (200, 200, 10), (20, 90, 300)])
def test_any_shape_gives_a_picture_of_sane_size(tmp_path, shape):
    volume = volume_from_array(np.zeros(shape, np.int16), AFFINE)
    save_overlay(tmp_path / "a.png", volume, {"spine": np.zeros(shape, bool)}, truth=np.zeros(shape, bool))
    height, width = imread(tmp_path / "a.png").shape[:2]
    assert 200 <= height <= 900
    assert 300 <= width <= 2200


def test_the_same_input_gives_the_same_file_without_names(tmp_path):
    volume = volume_from_array(_phantom().array, AFFINE, source="Secret^Name")
    for name in ("a.png", "b.png"):
        save_overlay(tmp_path / name, volume, {"spine": volume.array > 0})
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"Secret" not in content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_refusals(tmp_path):
    volume = _phantom()
    with pytest.raises(ValueError, match="mask spine must have the volume's shape"):
        save_overlay(tmp_path / "a.png", volume, {"spine": np.zeros((3, 3, 3))})
    with pytest.raises(ValueError, match="masks may number at most 4"):
        save_overlay(tmp_path / "a.png", volume, {str(i): volume.array > 0 for i in range(5)})
    turned = volume_from_array(volume.array, np.diag([-1.0, 1.0, 1.0, 1.0])).as_stored()
    with pytest.raises(ValueError, match="volume must be in RAS"):
        save_overlay(tmp_path / "a.png", turned, {})
    assert not list(tmp_path.iterdir())


def test_real_scan_with_its_mask(shared_data, tmp_path):
    folder = shared_data / "verse014"
    volume = read_scan(folder / "sub-verse014_ct.nii.gz")
    labels = read_label_map(folder / "sub-verse014_seg-vert_msk.nii.gz")
    save_overlay(tmp_path / "a.png", volume, {"spine": labels.array})
    picture = imread(tmp_path / "a.png")[..., :3]
    assert (picture[..., 0] > picture[..., 2] + 0.2).mean() > 0.05


def test_a_mask_is_compared_with_its_truth():
    truth, mask = np.array([1, 1, 0, 0], np.uint8), np.array([1, 0, 1, 0], bool)
    found = compare(truth, mask)
    assert list(found) == list(ERRORS)
    assert [list(np.flatnonzero(where)) for where in found.values()] == [[0], [2], [1]]


def test_errors_are_drawn_in_their_colours_on_their_side(tmp_path):
    volume = _phantom()
    mask, truth = (np.zeros(volume.shape, bool) for _ in range(2))
    mask[35:50, 20:60, 5:35] = True  # the patient's right: on the left of the axial view
    truth[10:25, 20:60, 5:35] = True
    mask[25:35, 20:60, 5:35] = truth[25:35, 20:60, 5:35] = True
    save_errors(tmp_path / "a.png", volume, mask, truth)
    picture = imread(tmp_path / "a.png")[..., :3]
    height, width = picture.shape[:2]
    axial = picture[: int(0.85 * height), : int(_panels(width)[0][1])]
    columns = {
        name: np.argwhere(np.abs(axial - to_rgb(colour)).max(axis=-1) < 0.1)[:, 1] for name, colour in ERRORS.items()
    }
    assert all(len(places) for places in columns.values())
    assert columns["too much"].mean() < columns["found"].mean() < columns["missed"].mean()
