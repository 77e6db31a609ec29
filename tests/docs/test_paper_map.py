"""docs/paper.md points at code and switches that exist."""

import re
from dataclasses import fields

import pytest

from spine_tf.config import SECTIONS, PruneSettings
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
