from dataclasses import replace

import numpy as np

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.physics import HU_RANGE, draw_appearance
from spine_tf.data.synthesis.phantom.shapes import Frame, block
from spine_tf.data.synthesis.phantom.tissue import Scene, Tissue
from spine_tf.data.synthesis.scanner import apply_scanner, make_wild, roughen_bone, vary_bone

FRAME = Frame((40, 40, 40), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
APPEARANCE = replace(draw_appearance(np.random.default_rng(0)), trabecular_hu=100.0, cortical_hu=1200.0)


def generators(count=40):
    return [np.random.default_rng(seed) for seed in range(count)]


def test_wild_contrasts_leave_air_and_lung_alone():
    wild = [make_wild(APPEARANCE, rng) for rng in generators()]
    change = np.array([one.tissue_hu - APPEARANCE.tissue_hu for one in wild])
    assert not change[:, [Tissue.AIR, Tissue.LUNG, Tissue.GAS]].any()
    assert 60 < np.abs(change[:, Tissue.MUSCLE]).max() <= 80
    assert all(100 <= one.trabecular_hu <= 450 and 350 <= one.cortical_hu <= 1600 for one in wild)


def test_most_people_have_a_dull_cortex():
    drawn = [vary_bone(APPEARANCE, rng).cortical_hu for rng in generators()]
    assert 0.4 < np.mean(np.less(drawn, 1000)) < 0.8
    assert {hu for hu in drawn if hu > 1000} == {1200.0}


def test_only_bone_is_roughened():
    bones = Bones(FRAME)
    bones.add_shapes([block((20, 20, 20), (10, 10, 10), 1.0)], 20)
    tissue = np.full(FRAME.shape, Tissue.DISC, np.uint8)
    scene = Scene(FRAME, tissue, bones, np.zeros(FRAME.shape, bool), {})
    changes = []
    for rng in generators(12):
        hu = np.zeros(FRAME.shape, np.float32)
        told = roughen_bone(hu, scene, APPEARANCE, rng)
        assert not hu[bones.depth_mm <= 0.5].any()
        assert set(told) == {"mottle", "dense_hu", "worn_hu"}
        # Below the surface, and where a disc lies above, bone is denser than in the middle.
        changes.append(hu[15:26, 15:26, 12].mean() - hu[15:26, 15:26, 20].mean())
    assert np.mean(changes) > 20


def test_a_scanner_shifts_a_little_and_a_wild_one_more():
    hu = np.full(FRAME.shape, 100, np.float32)
    tame, wild = (
        [apply_scanner(hu, FRAME, kind, rng)[0].mean() - 100 for rng in generators()] for kind in (False, True)
    )
    assert 1 < np.std(tame) < 15
    assert np.std(wild) > 20
    assert np.abs(wild).max() < 80


def test_wild_scans_may_be_clipped():
    hu = np.linspace(-1000, 3000, 64000, dtype=np.float32).reshape(FRAME.shape)
    for wild, kinds in ((False, 1), (True, 6)):
        made = [apply_scanner(hu, FRAME, wild, rng) for rng in generators()]
        assert len({tuple(told["window_hu"]) for _, told in made}) >= kinds
        for seen, told in made:
            assert told["window_hu"][0] <= seen.min() <= seen.max() <= told["window_hu"][1]
        assert any(told["window_hu"] == list(HU_RANGE) for _, told in made)
        assert wild or all(told["window_hu"] == list(HU_RANGE) for _, told in made)


def test_where_there_are_no_data_nothing_is_added():
    hu = np.full(FRAME.shape, 50, np.float32)
    hu[:10] = HU_RANGE[0]
    bones = Bones(FRAME)
    bones.add_shapes([block((10, 20, 20), (8, 8, 8), 1.0)], 20)
    scene = Scene(FRAME, np.zeros(FRAME.shape, np.uint8), bones, np.zeros(FRAME.shape, bool), {})
    roughen_bone(hu, scene, APPEARANCE, np.random.default_rng(1))
    seen, _ = apply_scanner(hu, FRAME, True, np.random.default_rng(1))
    assert (seen[:10] == HU_RANGE[0]).all()
    assert hu[12, 20, 20] != 50
