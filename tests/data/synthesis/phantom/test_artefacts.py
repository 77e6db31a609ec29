"""What the scanner adds, on scenes whose answer can be worked out."""

from dataclasses import replace

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.artefacts import grain, hardening, metal_streaks, unseen
from spine_tf.data.synthesis.phantom.physics import draw_appearance
from spine_tf.data.synthesis.phantom.shapes import Frame

FRAME = Frame((40, 40, 20), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
PLAIN = replace(
    draw_appearance(np.random.default_rng(0)),
    kernel="sharp", noise_hu=20.0, starvation=0.0, padded_mm=(0.0, 0.0), circle=None, wedge=None,
)  # fmt: skip


def test_a_band_is_dark_between_two_bones_and_nowhere_else():
    hu = np.zeros((40, 40, 2), np.float32)
    hu[5:10, 20], hu[30:35, 20] = 1250, 1250
    dark = hardening(hu, 0.002, (1.0, 1.0, 1.0))
    # 5 mm of 1000 HU above 250 on each side: the mean is 5000 HU mm.
    assert dark[20, 20, 0] == pytest.approx(-0.002 * 5000)
    assert not dark[20, 10].any()
    assert not dark[2, 20].any()
    assert not dark[38, 20].any()


def test_noise_has_the_strength_asked_for_and_is_weaker_in_air():
    water, air = (np.full(FRAME.shape, value, np.float32) for value in (0.0, -1000.0))
    loud = grain(water, FRAME, PLAIN, np.random.default_rng(0))
    assert loud.std() == pytest.approx(20, rel=0.15)
    assert grain(air, FRAME, PLAIN, np.random.default_rng(0)).std() < 0.55 * loud.std()


def test_wide_slices_starve_more_than_narrow_ones():
    frame = Frame((100, 20, 40), (5.0, 5.0, 5.0), (0.0, 0.0, 0.0))
    hu = np.full(frame.shape, -1000, np.float32)
    hu[40:60, :, :20] = 0  # 10 cm of water
    hu[5:95, :, 20:] = 0  # 45 cm
    noise = grain(hu, frame, replace(PLAIN, starvation=0.04), np.random.default_rng(0))
    neck, shoulders = noise[42:58, :, :20], noise[42:58, :, 20:]
    assert shoulders.std() > 1.8 * neck.std()
    # Streaks run from side to side: neighbours along x are alike, along y they are not.
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in (
        (shoulders[2:], shoulders[:-2]), (shoulders[:, 2:], shoulders[:, :-2])
    )]  # fmt: skip
    assert alike[0] > alike[1] + 0.1


def test_no_data_outside_the_round_field_the_padding_and_the_wedge():
    assert unseen(FRAME, PLAIN) is None
    round_field = unseen(FRAME, replace(PLAIN, circle=1.0))
    assert round_field[0, 0].all()
    assert not round_field[20, 20].any()
    assert round_field[:, :, 0].mean() == pytest.approx(1 - np.pi / 4, abs=0.03)
    padded = unseen(FRAME, replace(PLAIN, padded_mm=(3.0, 5.0)))
    assert padded[:, 37:].all()
    assert padded[:, :5].all()
    assert not padded[:, 5:37].any()
    wedge = unseen(FRAME, replace(PLAIN, wedge=(0, 0.5)))
    assert wedge.shape == FRAME.shape
    assert wedge[0, :, 19].all()
    assert not wedge[0, :, 0].any()
    assert wedge[39, :, 0].all()


def test_streaks_fade_stay_in_their_slice_and_darken_between_two_pieces():
    rod = np.zeros((60, 60, 3), bool)
    rod[14:18, 28:32, 1] = True
    streaks = metal_streaks(rod, (1.0, 1.0, 4.0), np.random.default_rng(0))
    assert not streaks[:, :, 0].any()
    assert streaks[:, :, 1].min() < -20
    assert streaks[:, :, 1].max() > 20
    assert np.abs(streaks[20:24, :, 1]).mean() > np.abs(streaks[50:, :, 1]).mean()
    pair = rod.copy()
    pair[42:46, 28:32, 1] = True
    assert metal_streaks(pair, (1.0, 1.0, 4.0), np.random.default_rng(0))[26:34, 29:31, 1].mean() < -80
