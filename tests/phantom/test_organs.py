"""Paint: what covers what."""

import numpy as np

from spine_tf.datasets.phantom.organs import paint_table
from spine_tf.datasets.phantom.paint import Painter
from spine_tf.datasets.phantom.shapes import Frame, ellipsoid
from spine_tf.datasets.phantom.spine import REGULAR, draw_spine
from spine_tf.datasets.phantom.tissue import Tissue
from spine_tf.datasets.phantom.trunk import draw_trunk

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


def test_a_column_follows_its_nodes():
    paint = painter()
    paint.column(np.array([[15.0, 8, 0, 4, 4], [-15, -8, 0, 4, 4]]), Tissue.MUSCLE, 0.0)
    assert paint.tissue[27, 20, 34] == Tissue.MUSCLE
    assert paint.tissue[13, 20, 6] == Tissue.MUSCLE
    assert not paint.tissue[27, 20, 6]
    assert not paint.tissue[20, 20, 38]


def test_a_table_lies_behind_the_back_in_air_only():
    rng = np.random.default_rng(0)
    trunk = draw_trunk(rng, draw_spine(rng, REGULAR, 0.0, 16.0))
    back = float((trunk.skin_centre[:10, 1] - trunk.skin[:10, 1]).min())
    frame = Frame((40, 60, 4), (3.0, 2.0, 3.0), (-60.0, back - 90, 0.0))
    paint = painter(frame)
    paint.tissue[:, 50:] = Tissue.SKIN
    paint_table(paint, trunk)
    assert (paint.tissue[:, 50:] == Tissue.SKIN).all()
    assert {Tissue.TABLE, Tissue.FOAM} <= set(np.unique(paint.tissue[:, :46]))
