"""Who is drawn, and what their scene holds."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.anatomy import (
    MAX_TRAINING_COBB_DEG,
    MIN_HELD_OUT_COBB_DEG,
    build_scene,
    draw_anatomy,
    draw_person,
)  # fmt: skip
from spine_tf.data.synthesis.phantom.pelvis import FEMUR, HIP
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.shoulder import CLAVICLE, HUMERUS, SCAPULA
from spine_tf.data.synthesis.phantom.skull import MANDIBLE, SKULL
from spine_tf.data.synthesis.phantom.tissue import Tissue


def people(anatomy, count=200):
    return [draw_person(np.random.default_rng(seed), anatomy, "random") for seed in range(count)]


def test_held_out_anatomy_is_absent_from_training():
    training, held_out = people("random"), people("scoliosis_metal")
    assert max(one.cobb_deg for one in training) <= MAX_TRAINING_COBB_DEG < MIN_HELD_OUT_COBB_DEG
    assert min(one.cobb_deg for one in held_out) >= MIN_HELD_OUT_COBB_DEG
    assert all(len(one.screws) >= 4 for one in held_out)
    assert all(one.cobb_deg < 10 for one in training if one.screws)
    assert 0.02 < np.mean([bool(one.screws) for one in training]) < 0.15


def test_regions_and_wear_vary():
    training = people("random")
    assert {one.region for one in training} == {
        "cervical",
        "thoracic",
        "lumbar",
        "thoracolumbar",
        "whole",
        "pelvis",
        "head",
    }
    assert np.ptp([one.degeneration for one in training]) > 0.8
    assert 0.2 < np.mean([one.fracture_rate > 0 for one in training]) < 0.6


def test_a_description_is_plain_json():
    import json

    assert json.loads(json.dumps(people("random", 1)[0].describe()))["anatomy"] == "random"


@pytest.mark.parametrize("anatomy", ["random", "scoliosis_metal"])
def test_a_scene_holds_spine_soft_tissue_and_metal_where_it_should(anatomy):
    rng = np.random.default_rng(2)
    person = draw_person(rng, anatomy, "thoracolumbar")
    spine, trunk = draw_anatomy(person, rng)
    x, y, z = spine.level(18).place.centre_mm
    frame = Frame((130, 120, 60), (3.0, 3.0, 4.0), (x - 195, y - 190, z - 120))
    scene = build_scene(person, spine, trunk, frame, rng)
    found = set(np.unique(scene.tissue))
    expected = {Tissue.AIR, Tissue.SKIN, Tissue.FAT, Tissue.MUSCLE, Tissue.LUNG, Tissue.LIVER, Tissue.KIDNEY}
    assert expected | {Tissue.ARTERY, Tissue.VEIN, Tissue.DISC, Tissue.CSF, Tissue.CORD, Tissue.FOAM} <= found
    labels = set(np.unique(scene.labels()))
    assert {16, 17, 18, 19, 20} <= labels
    assert labels <= {0, *person.labels, 26}
    assert (scene.bones.owner > 100).any()
    # Leads, clips and the like lie elsewhere; only screws stand in vertebrae.
    assert (scene.metal & (scene.labels() > 0)).any() == bool(person.screws)
    assert set(scene.notes) == {"devices", "lesions", "arms_raised"}


def test_a_wide_scene_holds_pelvis_thighs_shoulders_and_skull():
    rng = np.random.default_rng(5)
    person = draw_person(rng, "random", "whole")
    spine, trunk = draw_anatomy(person, rng)
    top = spine.levels[0].place.centre_mm[2]
    frame = Frame((92, 70, round((top + 450) / 5)), (5.0, 5.0, 5.0), (-230.0, -170.0, -300.0))
    scene = build_scene(person, spine, trunk, frame, rng)
    owners = set(np.unique(scene.bones.owner[scene.bones.depth_mm > 0]))
    for first in (HIP, FEMUR, SCAPULA, CLAVICLE, HUMERUS):
        assert {first, first + 1} <= owners
    assert {SKULL, MANDIBLE, 26} <= owners
    assert set(np.unique(scene.labels())) == {0, *person.labels, 26}
    assert {Tissue.BRAIN, Tissue.URINE, Tissue.MEDULLA, Tissue.THYROID} <= set(np.unique(scene.tissue))
    # Air lies between the two legs.
    legs = np.isin(scene.tissue[:, :, 5], [Tissue.SKIN, Tissue.FAT, Tissue.MUSCLE]).any(axis=1)
    assert np.count_nonzero(np.diff(legs.astype(int)) == 1) >= 2
