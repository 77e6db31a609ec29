"""docs/paper.md points at code and switches that exist, and at figures that `published` has."""

import re
from dataclasses import fields

import pytest

from spine_tf.config import SECTIONS, PruneSettings
from spine_tf.experiments import published
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "paper.md").read_text()
NAMED = re.findall(r"`([\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", TEXT)


@pytest.mark.parametrize(("path", "names"), NAMED, ids=[path for path, _ in NAMED])
def test_every_name_is_defined_where_the_map_says(path, names):
    source = (ROOT / "spine_tf" / path).read_text()
    for name in re.findall(r"`(\w+)`", names):
        assert re.search(rf"^(def|class) {name}\b|^{name}\b.* = ", source, re.MULTILINE), name


def test_every_switch_is_a_field_with_the_default_that_is_named():
    part = TEXT.split("## What the paper does not state")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")
    ]
    known = {field.name: field.default for kind in (*SECTIONS.values(), PruneSettings) for field in fields(kind)}
    switches = {name: row[2] for row in rows[1:] for name in re.findall(r"`(\w+)`", row[1])}
    assert len(switches) > 15
    assert set(switches) <= set(known)
    for name in ("attention", "fusion", "decoder"):
        assert switches[name].startswith(f"`{known[name]}`")
    assert switches["amount"] == "0.5, `global`" == f"{known['amount']}, `{known['scope']}`"
    assert switches["window_hu"] == "{:g} to {:g} HU".format(*known["window_hu"])
    assert float(switches["val_fraction"].split()[0]) == known["val_fraction"]
    assert switches["penalty"] == f"{known['penalty'].upper()}, 1e-4"
    assert known["penalty_weight"] == 1e-4


def test_dice_and_jaccard_of_the_map_are_those_of_the_tables():
    labels = {"LinkNet-34": "linknet", "PSPNet": "pspnet", "U-Net": "unet"}
    labels |= {"ResNet34": "resnet34", "MobileNetV2": "mobilenetv2", "ResNet50": "resnet50"}
    labels |= {"EfficientNetB7": "efficientnetb7"}
    found = re.findall(r"([\w-]+): ([\d.]+) is ([\d.]+), reported (\d+)", TEXT)
    assert [label for label, *_ in found] == list(labels)
    for label, dice, jaccard, reported in found:
        row = {**published.TABLE_3, **published.TABLE_4}[labels[label]]
        assert (float(dice), float(reported)) == (row["dice"], row["jaccard"])
        assert f"{published.jaccard_of(float(dice)):.1f}" == jaccard


def test_means_over_slices_can_be_the_headline_figures():
    share, low = 0.087, 63.9
    dice = 100 * (1 - share) + share * low
    jaccard = 100 * (1 - share) + share * published.jaccard_of(low)
    assert dice == pytest.approx(published.ABSTRACT["dice"], abs=0.02)
    assert jaccard == pytest.approx(published.ABSTRACT["jaccard"], abs=0.02)
