"""Fields of view and spacings."""

import numpy as np

from spine_tf.data.synthesis.phantom.field_of_view import AROUND, MAX_VOXELS, draw_frame
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.data.synthesis.phantom.trunk import draw_trunk

RNG = np.random.default_rng(0)
SPINE = draw_spine(RNG, REGULAR, 0.0, 16.0)
TRUNK = draw_trunk(RNG, SPINE)


def frames(region="lumbar", count=60, **forced):
    return [draw_frame(np.random.default_rng(seed), SPINE, TRUNK, region, **forced) for seed in range(count)]


def test_crops_and_whole_trunks_at_clinical_spacings():
    drawn = frames()
    assert {around for _, around in drawn} == {"narrow", "spine", "trunk"}
    widths = [frame.shape[0] * frame.spacing_mm[0] for frame, _ in drawn]
    assert min(widths) < 90
    assert max(widths) > 280
    assert any(max(frame.spacing_mm) > 1.5 * min(frame.spacing_mm) for frame, _ in drawn)
    for frame, _ in drawn + frames("whole", 20):
        assert np.prod(frame.shape) < 1.05 * MAX_VOXELS
        assert 0.69 <= min(frame.spacing_mm) <= max(frame.spacing_mm) <= 5.0


def test_at_least_four_in_ten_are_wide_and_three_in_ten_narrow():
    drawn = [around for _, around in frames(count=400)]
    assert AROUND["trunk"] >= 0.4
    assert AROUND["narrow"] >= 0.3
    for around, share in AROUND.items():
        assert abs(drawn.count(around) / 400 - share) < 0.08


def test_wide_fields_go_on_to_the_thighs_and_the_skull():
    below = [frame.origin_mm[2] for frame, around in frames("lumbar", 200) if around == "trunk"]
    assert min(below) < -200
    assert np.mean(np.array(below) < -100) > 0.25
    top = SPINE.levels[0].place.centre_mm[2]
    above = [
        f.origin_mm[2] + f.shape[2] * f.spacing_mm[2] for f, around in frames("cervical", 200) if around == "trunk"
    ]
    assert max(above) > top + 120


def test_pelvis_and_head_are_seen_whole():
    for region in ("pelvis", "head"):
        for frame, around in frames(region, 20):
            assert around == "trunk"
            assert frame.shape[2] * frame.spacing_mm[2] > 150


def test_a_narrow_field_may_hold_a_few_vertebrae_only():
    heights = [f.shape[2] * f.spacing_mm[2] for f, around in frames("whole", 200) if around == "narrow"]
    assert min(heights) < 200
    assert max(heights) > 450


def test_forced_grids_are_kept_and_still_hold_the_spine():
    frame, _ = frames(count=1, shape=(40, 50, 60), spacing_mm=(2.0, 2.0, 3.0))[0]
    assert frame.shape == (40, 50, 60)
    assert frame.spacing_mm == (2.0, 2.0, 3.0)
    for frame, _ in frames(count=10, shape=(64, 64, 64)):
        at = (SPINE.level(22).place.centre_mm - frame.origin_mm) / frame.spacing_mm
        assert np.all((at > 0) & (at < 63))
        assert np.ptp(frame.spacing_mm) <= 0.71
