"""Belly and chest: organs where they belong, contrast in some, calcium in the old."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.chest import paint_chest, paint_vessels
from spine_tf.data.synthesis.phantom.organs import paint_organs
from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.data.synthesis.phantom.tissue import Tissue

SPINE = draw_spine(np.random.default_rng(1), REGULAR, 0.0, 16.0)
FRAME = Frame((76, 60, 155), (4.0, 4.0, 4.0), (-152.0, -80.0, -170.0))


def painted(seed=0, calcified=0.0):
    paint = Painter(
        FRAME, np.full(FRAME.shape, Tissue.FAT, np.uint8), np.ones(FRAME.shape, bool), np.random.default_rng(seed)
    )
    paint_organs(paint, SPINE, calcified)
    paint_chest(paint, SPINE, SPINE.level(17).place.centre_mm[2], calcified)
    paint_vessels(paint, SPINE, calcified)
    return paint.tissue


def where(tissue, *kinds):
    return np.argwhere(np.isin(tissue, kinds)) * 4 + FRAME.origin_mm


@pytest.fixture(scope="module")
def young():
    return painted()


def test_organs_lie_where_they_belong(young):
    assert where(young, Tissue.LIVER)[:, 0].mean() > 20  # right
    assert where(young, Tissue.SPLEEN)[:, 0].mean() < -50
    kidneys = where(young, Tissue.KIDNEY)
    assert np.sort(np.unique(np.sign(kidneys[:, 0]))).tolist() == [-1, 1]
    middle = SPINE.level(20).place.centre_mm[2]
    assert abs(kidneys[:, 2].mean() - middle) < 50
    assert {Tissue.MEDULLA, Tissue.URINE, Tissue.PORTAL, Tissue.HEART, Tissue.RIGHT_HEART, Tissue.INFLOW} <= set(
        np.unique(young)
    )
    assert where(young, Tissue.URINE)[:, 2].min() < -90  # the bladder's


def test_oral_contrast_fills_the_bowel_of_some():
    shares = [(painted(seed) == Tissue.ORAL_CONTRAST).mean() for seed in range(8)]
    assert min(shares) < 1e-3
    assert max(shares) > 5e-3


def test_arteries_calcify_in_the_old(young):
    old = painted(calcified=1.0)
    assert (old == Tissue.CALCIUM).sum() > 20 + 3 * (young == Tissue.CALCIUM).sum()
    aorta = where(old, Tissue.ARTERY)
    hard = where(old, Tissue.CALCIUM)
    nearest = [np.linalg.norm(aorta - point, axis=1).min() for point in hard]
    assert np.median(nearest) < 8
