"""Paint: what covers what."""

import numpy as np

from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import Frame, ellipsoid
from spine_tf.data.synthesis.phantom.tissue import Tissue

FRAME = Frame((40, 40, 40), (1.0, 1.0, 1.0), (-20.0, -20.0, -20.0))


def painter(frame=FRAME):
    return Painter(frame, np.zeros(frame.shape, np.uint8), np.ones(frame.shape, bool), np.random.default_rng(0))


def test_a_rim_surrounds_its_filling_and_paint_stays_where_it_may():
    paint = painter()
    right = np.zeros(FRAME.shape, bool)
    right[20:] = True
    paint.shape(ellipsoid((0, 0, 0), (12, 12, 12)), Tissue.GAS, 0.0, Tissue.BOWEL, 3.0, over=right)
    assert paint.tissue[22, 20, 20] == Tissue.GAS
    assert paint.tissue[30, 20, 20] == Tissue.BOWEL
    assert not paint.tissue[:20].any()


def test_gas_lies_in_front_of_what_fills_a_bowel():
    paint = painter()
    paint.shape(ellipsoid((0, 0, 0), (12, 12, 12)), Tissue.ORAL_CONTRAST, 0.0, Tissue.BOWEL, 2.0, gas_y_mm=3.0)
    assert paint.tissue[20, 17, 20] == Tissue.ORAL_CONTRAST
    assert paint.tissue[20, 26, 20] == Tissue.GAS
    assert paint.tissue[20, 31, 20] == Tissue.BOWEL


def test_a_column_follows_its_nodes():
    paint = painter()
    paint.column(np.array([[15.0, 8, 0, 4, 4], [-15, -8, 0, 4, 4]]), Tissue.MUSCLE, 0.0)
    assert paint.tissue[27, 20, 34] == Tissue.MUSCLE
    assert paint.tissue[13, 20, 6] == Tissue.MUSCLE
    assert not paint.tissue[27, 20, 6]
    assert not paint.tissue[20, 20, 38]


def test_a_limb_has_fat_around_its_muscle_and_leaves_the_body_alone():
    paint = painter()
    paint.tissue[:10] = Tissue.LIVER
    paint.limb([(0, 0, -40), (0, 0, 40)], [14, 14], fat_mm=4.0)
    row = paint.tissue[20, 20:, 20]
    assert row[0] == Tissue.MUSCLE
    assert row[9] == Tissue.FAT
    assert row[19] == Tissue.AIR
    assert (paint.tissue[:10] == Tissue.LIVER).all()
