"""HU of a scene made by hand: tissues, a bone's shell, noise, metal."""

from dataclasses import replace

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.physics import draw_appearance, render
from spine_tf.data.synthesis.phantom.shapes import Frame, block
from spine_tf.data.synthesis.phantom.tissue import Scene, Tissue

FRAME = Frame((48, 48, 48), (1.0, 1.0, 1.0), (-24.0, -24.0, -24.0))
QUIET = replace(
    draw_appearance(np.random.default_rng(0)),
    noise_hu=1.0,
    blur_mm=0.4,
    trabecular_hu=120.0,
    cortical_hu=1200.0,
    shell_mm=(0.8, 1.5),
    padded_mm=(0.0, 0.0),
    kernel="medium",
    trabeculae=0.28,
    overshoot=0.0,
    slice_mm=0.0,
    starvation=0.0,
    hardening=0.0,
    circle=None,
    wedge=None,
    motion=None,
)


def scene(owner=22, metal=False, trabecular=1.0):
    tissue = np.full(FRAME.shape, Tissue.FAT, np.uint8)
    tissue[:, :24] = Tissue.MUSCLE
    bones = Bones(FRAME)
    bones.add_shapes([block((0, 0, 0), (14, 14, 14), 1.0)], owner)
    rod = np.zeros(FRAME.shape, bool)
    if metal:
        rod[22:26, 22:26] = True
    return Scene(FRAME, tissue, bones, rod, {owner: trabecular})


def draw(made, appearance=QUIET, seed=0):
    return render(made, appearance, np.random.default_rng(seed))


def test_each_tissue_has_its_hu_and_bone_has_a_bright_shell():
    hu = draw(scene())
    assert hu.dtype == np.int16
    assert -120 < np.median(hu[:, 44:]) < -80
    assert 35 < np.median(hu[:, :4]) < 80
    assert 60 < np.median(hu[20:28, 20:28, 20:28]) < 260
    assert 400 < np.median(hu[38, 18:30, 18:30]) < 1300


def test_a_vertebra_can_be_denser_than_others():
    plain, dense = (np.median(draw(scene(trabecular=f))[18:30, 18:30, 18:30]) for f in (1.0, 1.6))
    assert dense == pytest.approx(1.6 * plain, rel=0.1)


def test_labels_are_the_owners_ids_and_other_bones_are_background():
    assert set(np.unique(scene(22).labels())) == {0, 22}
    assert set(np.unique(scene(110).labels())) == {0}


def test_noise_has_the_strength_asked_for_and_is_weaker_in_air():
    air = Scene(FRAME, np.zeros(FRAME.shape, np.uint8), Bones(FRAME), np.zeros(FRAME.shape, bool), {})
    loud = replace(QUIET, noise_hu=40.0, kernel="sharp")
    assert draw(scene(), loud)[:, :4].std() == pytest.approx(40, rel=0.3)
    assert draw(air, loud).std() < 25


def test_metal_saturates_and_throws_streaks_that_fade():
    hu, plain = draw(scene(metal=True)), draw(scene())
    assert hu[23:25, 23:25].min() == 3071
    change = np.abs(hu.astype(int) - plain)
    assert change[24, 30:34].mean() > change[24, 44:].mean()


def test_edge_enhancement_overshoots_beside_an_edge_and_a_soft_kernel_does_not():
    plain, sharp = draw(scene()), draw(scene(), replace(QUIET, overshoot=1.2))
    # The cube's wall lies at x = 38; fat and muscle just outside it get darker, the wall brighter.
    assert sharp[40, 18:23, 18:30].mean() < plain[40, 18:23, 18:30].mean() - 15
    assert sharp[38, 18:30, 18:30].mean() > plain[38, 18:30, 18:30].mean()


def test_thick_slices_blur_along_z_alone():
    plain, thick = draw(scene()), draw(scene(), replace(QUIET, slice_mm=5.0))

    def width(hu):
        # mm over which the cube's top goes from soft tissue to bone
        profile = hu[20:28, 20:28].mean((0, 1))[34:44].astype(float)
        return np.abs(np.diff(profile)).sum() / np.abs(np.diff(profile)).max()

    assert width(thick) > 1.2 * width(plain)
    np.testing.assert_allclose(thick[44, 18:23, 20:28].mean(), plain[44, 18:23, 20:28].mean(), atol=8)


def test_extra_hu_and_thick_shells_are_added_to_bone():
    lesion, shelled = scene(), replace(scene(), shell={22: 4.0})
    lesion.bones.extra_hu[20:28, 20:28, 20:28] = 500
    plain = draw(scene()).astype(float)
    assert np.median(draw(lesion)[22:26, 22:26, 22:26]) > np.median(plain[22:26, 22:26, 22:26]) + 300
    assert draw(shelled)[35, 18:30, 18:30].mean() > plain[35, 18:30, 18:30].mean() + 100


def test_breathing_doubles_edges_in_some_slices_only():
    moved = draw(scene(), replace(QUIET, motion=(0.5, 0.2, 4.0))).astype(int)
    change = np.abs(moved - draw(scene())).mean((0, 1))
    assert change[:20].max() < 1
    assert change[25:32].min() > 5


def test_drawn_appearances_are_plausible_and_differ():
    drawn = [draw_appearance(np.random.default_rng(seed)) for seed in range(60)]
    assert {one.kernel for one in drawn} == {"soft", "medium", "sharp"}
    assert {one.contrast for one in drawn} == {"native", "arterial", "venous", "late"}
    for one in drawn:
        assert 20 <= one.trabecular_hu <= 350
        assert 750 <= one.cortical_hu <= 1600
        assert one.tissue_hu[Tissue.FAT] < -80 < 30 < one.tissue_hu[Tissue.MUSCLE] < 80
        assert (one.tissue_hu[Tissue.ARTERY] > 100) == (one.contrast != "native")
        assert (one.tissue_hu[Tissue.URINE] > 200) >= (one.contrast == "late")
    dense = np.array([one.trabecular_hu for one in drawn])
    assert (dense < 80).mean() > 0.1
    assert (dense > 200).mean() > 0.05
