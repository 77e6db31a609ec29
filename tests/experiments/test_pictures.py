from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from spine_tf.data.splits import Split, write_split
from spine_tf.experiments.cells import cell_config
from spine_tf.experiments.pictures import _box, _pick, draw_figure
from spine_tf.experiments.settings import base_config
from tests.support.finished_runs import write_run
from tests.support.scans import bright_block_case, bright_block_hu

BASE = base_config("tiny", Path("runs"), None)


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
    # CT, truth, FPN's mask, and the errors of LinkNet and FPN, side by side; between the titles and the legend.
    height = pixels.shape[0]
    panels = np.array_split(pixels[int(0.15 * height) : int(0.8 * height)], 5, axis=1)
    red, green, blue = (np.array([panel[..., channel].mean() for panel in panels]) for channel in range(3))
    assert abs(red[0] - blue[0]) < 1
    # Truth and prediction are yellow.
    for panel in (1, 2):
        assert min(red[panel], green[panel]) > blue[panel] + 5
    # Only FPN's mask, which is moved, is too much somewhere: orange, and misses something: blue.
    assert green[3] > red[3]
    orange = [(panel[..., 0] - panel[..., 1] > 30).sum() for panel in panels]
    missed = [(panel[..., 2] - panel[..., 1] > 20).sum() for panel in panels]
    assert (orange[3], missed[3]) == (0, 0)
    assert min(orange[4], missed[4]) > 100


def test_the_box_around_a_spine_has_a_margin_in_mm_and_is_not_too_narrow():
    mask = np.zeros((200, 300), bool)
    mask[90:100, 100:200] = True
    # 1 mm and 0.5 mm: 20 mm are 20 and 40 places. 90 mm high, so at least 45 wide: 50 are.
    assert _box(mask, np.array([1.0, 0.5])) == (slice(70, 120), slice(60, 240))
    # Of 1 mm each, 140 mm high: 70 wide, ten more on each side.
    assert _box(mask, np.array([1.0, 1.0])) == (slice(60, 130), slice(80, 220))
    assert _box(np.zeros((4, 4), bool), np.ones(2)) == (slice(None), slice(None))
    # Cut off at the border of the slice.
    assert _box(np.ones((30, 40), bool), np.ones(2)) == (slice(0, 30), slice(0, 40))


def test_every_source_is_shown_before_a_second_case_of_one(tmp_path):
    cases = [replace(bright_block_case(tmp_path, name), source=name[0]) for name in ("a1", "a2", "a3", "a4", "b1")]
    assert [case.case_id for case in _pick(cases)] == ["a1", "b1", "a2", "a3"]


@pytest.mark.parametrize("number", [1, 5, 6])
def test_an_architecture_is_drawn_from_its_network(number, tmp_path):
    assert draw_figure(number, BASE, tmp_path, tmp_path / "figure.png", (0,))
    assert {path.name for path in tmp_path.iterdir()} == {"figure.png", "figure.svg"}
    with Image.open(tmp_path / "figure.png") as picture:
        assert min(picture.size) > 900


@pytest.mark.slow
def test_the_branch_and_the_whole_network_are_two_pictures(tmp_path):
    for number in (5, 6):
        draw_figure(number, BASE, tmp_path, tmp_path / f"figure{number}.png", (0,))
    with Image.open(tmp_path / "figure5.png") as branch, Image.open(tmp_path / "figure6.png") as whole:
        assert branch.size != whole.size
