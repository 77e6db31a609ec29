from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from conftest import bright_block_case, bright_block_hu
from finished_runs import write_run
from PIL import Image

from spine_tf.datasets.splits import Split, write_split
from spine_tf.experiments.cells import cell_config
from spine_tf.experiments.pictures import ERRORS, _pick, compare, draw_figure
from spine_tf.experiments.settings import base_config

BASE = base_config("tiny", Path("runs"), None)


def test_a_mask_is_compared_with_its_truth():
    truth, mask = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    found = compare(truth, mask)
    assert list(found) == list(ERRORS)
    assert [list(np.flatnonzero(where)) for where in found.values()] == [[0], [2], [1]]


def test_figure_7_shows_what_was_found_too_much_and_missed(tmp_path):
    assert not draw_figure(7, BASE, tmp_path, tmp_path / "figure7.png", (0,))
    case = bright_block_case(tmp_path, "block")
    truth = bright_block_hu() == 1000
    for name, moved in (("linknet", 0), ("fpn", 4)):
        run = write_run(tmp_path / "table3" / name / "seed0", cell_config("3", name, BASE, 0), {"block": 0.9}, (0.5,))
        write_split(run / "split.json", Split([], [], [case]))
        mask = np.roll(truth, moved, axis=1).astype(np.uint8)
        nib.save(nib.Nifti1Image(mask, np.eye(4)), run / "evaluation" / "block_seg-spine_msk.nii.gz")
    assert draw_figure(7, BASE, tmp_path, tmp_path / "figure7.png", (0,))
    with Image.open(tmp_path / "figure7.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # The CT alone, LinkNet and FPN, side by side: only FPN's mask, which is moved, has errors. Above the legend.
    height, width = pixels.shape[:2]
    panels = np.array_split(pixels[: int(0.85 * height)], [width // 3, 2 * width // 3], axis=1)
    red, green = (np.array([panel[..., channel].mean() for panel in panels]) for channel in (0, 1))
    assert green[1] > red[1]
    coloured = [np.ptp(panel, axis=-1) > 40 for panel in panels]
    assert coloured[0].sum() == 0
    assert coloured[1].sum() > 500
    orange = [(panel[..., 0] - panel[..., 2] > 60).sum() for panel in panels]
    assert orange[:2] == [0, 0]
    assert orange[2] > 100


def test_every_source_is_shown_before_a_second_case_of_one(tmp_path):
    cases = [replace(bright_block_case(tmp_path, name), source=name[0]) for name in ("a1", "a2", "a3", "a4", "b1")]
    assert [case.case_id for case in _pick(cases)] == ["a1", "b1", "a2", "a3"]


@pytest.mark.parametrize("number", [6])
def test_an_architecture_is_drawn_from_its_network(number, tmp_path):
    assert draw_figure(number, BASE, tmp_path, tmp_path / "figure.png", (0,))
    with Image.open(tmp_path / "figure.png") as picture:
        assert min(picture.size) > 300
