import matplotlib.image
import numpy as np
import pytest

from spine_tf.data.synthesis.contact_sheet import save_contact_sheet
from spine_tf.data.synthesis.phantom import Phantom


def scan(seed=0, spine=True):
    hu = np.full((30, 40, 50), -1000, np.int16)
    hu[5:25, 5:35] = 40
    labels = np.zeros(hu.shape, np.uint8)
    if spine:
        hu[10:20, 15:25, 10:40], labels[10:20, 15:25, 10:40] = 900, 20
    centroids = {20: (15.0, 20.0, 25.0)} if spine else {}
    return Phantom(hu, labels, np.diag([2.0, 1.0, 3.0, 1.0]), centroids, seed, {"kind": "made"})


def test_a_sheet_shows_bone_bright_and_the_outline_in_colour(tmp_path):
    save_contact_sheet(tmp_path / "plain.png", [scan(n) for n in range(7)])
    save_contact_sheet(tmp_path / "outlined.png", [scan(n) for n in range(7)], outline=True)
    plain, outlined = (matplotlib.image.imread(tmp_path / f"{name}.png")[..., :3] for name in ("plain", "outlined"))
    assert plain.shape == outlined.shape == (440, 1980, 3)
    assert np.ptp(plain, axis=2).max() < 0.02
    assert np.ptp(outlined, axis=2).max() > 0.5
    # Seven scans: six in the first row, one in the second.
    assert plain[220:, :330].max() > 0.9
    assert plain[220:, 330:].max() == 0


def test_a_scan_without_spine_is_shown_too(tmp_path):
    save_contact_sheet(tmp_path / "none.png", [scan(spine=False)], titles=["nothing"], outline=True)
    assert (tmp_path / "none.png").exists()


@pytest.mark.parametrize(("scans", "titles"), [([], None), ([scan()], ["a", "b"])])
def test_no_scans_or_other_titles_are_refused(tmp_path, scans, titles):
    with pytest.raises(ValueError, match=r"scans must be at least one, with a title each\. Received"):
        save_contact_sheet(tmp_path / "sheet.png", scans, titles)
