"""The chain of vertebrae: sizes, curves, variants."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.spine import CHILDREN, REGULAR, draw_labels, draw_spine


def draw(seed=0, labels=REGULAR, cobb_deg=0.0):
    return draw_spine(np.random.default_rng(seed), labels, cobb_deg, 16.0)


def test_vertebrae_grow_from_cervical_to_lumbar():
    spine = draw()
    width = {level.label: level.size["width"] for level in spine.levels}
    height = {level.label: level.size["height"] for level in spine.levels}
    assert 15 < width[4] < 25
    assert width[4] < width[12] < width[19] < width[22]
    assert 38 < width[22] < 58
    assert height[4] < height[14] < height[21]
    assert 20 < height[21] < 33


def test_a_spine_is_as_long_as_a_spine_and_goes_upwards():
    spine = draw()
    z = [level.place.centre_mm[2] for level in spine.levels]
    assert z == sorted(z, reverse=True)
    assert 480 < z[0] < 700
    for level in spine.levels:
        np.testing.assert_allclose(level.place.rotation @ level.place.rotation.T, np.eye(3), atol=1e-9)


def test_the_lumbar_spine_is_hollow_and_the_thoracic_round():
    tilt = {level.label: level.place.rotation[1, 2] for level in draw().levels}
    assert tilt[24] > tilt[20]  # lordosis: L5 leans forward, L1 back
    assert tilt[8] > tilt[18]  # kyphosis: T1 leans forward, T11 back


@pytest.mark.parametrize("cobb_deg", [0.0, 20.0, 50.0])
def test_scoliosis_has_the_angle_asked_for(cobb_deg):
    spine = draw(cobb_deg=cobb_deg)
    assert spine.cobb_deg == pytest.approx(cobb_deg, abs=0.01)
    sideways = [level.place.centre_mm[0] for level in spine.levels]
    assert (np.ptp(sideways) > 10) == (cobb_deg > 0)


def test_variants_are_rare_and_keep_their_place_in_the_chain():
    drawn = [draw_labels(np.random.default_rng(seed)) for seed in range(400)]
    assert 0.85 < np.mean([labels == REGULAR for labels in drawn]) < 0.97
    assert {len(labels) for labels in drawn} == {23, 24, 25}
    thirteen = next(labels for labels in drawn if 28 in labels)
    assert thirteen[18:21] == (19, 28, 20)
    assert len(draw(labels=thirteen).levels) == 25


def test_some_are_children_and_backs_are_round_or_flat():
    spines = [draw(seed) for seed in range(150)]
    small = np.mean([spine.scale < 0.84 for spine in spines])
    assert 0 < small < 3 * CHILDREN
    tilt = [spine.level(8).place.rotation[1, 2] - spine.level(18).place.rotation[1, 2] for spine in spines]
    assert np.ptp(np.degrees(np.arcsin(np.clip(tilt, -1, 1)))) > 25
