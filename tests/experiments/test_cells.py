from dataclasses import replace
from pathlib import Path

import pytest

from spine_tf.config import Config, config_from_dict, to_dict, with_changes
from spine_tf.experiments import published
from spine_tf.experiments.cells import GRIDS, cell_config, folder_name, run_place
from spine_tf.experiments.settings import BASES, base_config


def base(preset: str) -> Config:
    return base_config(preset, Path("runs"), None)


@pytest.mark.parametrize("preset", BASES)
def test_every_cell_is_a_config_that_a_file_can_hold(preset):
    for table, cells in GRIDS.items():
        for name in cells:
            made = cell_config(table, name, base(preset), seed=2)
            assert made.train.seed == 2
            assert config_from_dict(to_dict(made)) == made


def test_rows_of_the_paper_have_a_cell_each():
    for table, rows in published.TABLES.items():
        assert set(rows) <= set(GRIDS[table])


def test_cells_differ_in_what_they_say():
    small = base("small")
    fpn, unet = (cell_config("3", name, small, 0) for name in ("fpn", "unet"))
    assert replace(fpn, model=unet.model) == unet
    assert (fpn.model.architecture, unet.model.architecture) == ("fpn", "unet")
    adam, adamax = (cell_config("5", name, small, 0) for name in ("adam", "adamax"))
    assert with_changes(adam, train={"optimizer": "adamax"}) == adamax
    neither = cell_config("6", "neither", small, 0)
    assert not neither.augment.augment
    assert (neither.preprocess.smoothing_mm, neither.preprocess.canonical) == (0, False)
    assert neither.preprocess.window_hu == (-1024, 3071)
    shared = cell_config("ablation", "shared", small, 0)
    assert with_changes(shared, model={"share_branches": False}) == small


def test_equal_configs_are_one_run():
    small, paper = base("small"), base("paper")
    for preset in (small, paper):
        assert run_place("4", "resnet34", preset) == run_place("6", "both", preset) == Path("table3/linknet")
        assert run_place("7", "proposed", preset) == Path("ablation/proposed")
    # The paper trains Table 4 for 100 epochs and Table 5 for 25; `small` has 25 for both.
    assert run_place("5", "adamax", small) == Path("table4/efficientnetb7")
    assert run_place("5", "adamax", paper) == Path("table5/adamax")
    assert cell_config("5", "adamax", paper, 0).train.epochs == 25
    # The paper's network has a ResNet152 anyway.
    assert run_place("ablation", "resnet152", paper) == Path("ablation/proposed")
    assert run_place("ablation", "resnet152", small) == Path("ablation/resnet152")
    places = {run_place(table, name, small) for table, cells in GRIDS.items() for name in cells}
    assert len(places) == 4 + 3 + 2 + 3 + 8


def test_the_papers_optimisation_is_kept_in_all_presets():
    kept = ("optimizer", "learning_rate", "loss", "plateau_factor", "plateau_patience", "cosine")
    for preset in BASES:
        assert [getattr(base(preset).train, name) for name in kept] == [
            getattr(base("paper").train, name) for name in kept
        ]


def test_unknown_tables_cells_and_presets_are_refused():
    with pytest.raises(ValueError, match=r"table must be one of .* Received: table='8'"):
        cell_config("8", "linknet", base("tiny"), 0)
    with pytest.raises(ValueError, match=r"cells of table 3 must be among .* Received: 'segnet'"):
        cell_config("3", "segnet", base("tiny"), 0)
    with pytest.raises(ValueError, match=r"preset must be one of .* Received: preset='huge'"):
        base_config("huge", Path("runs"), None)


def test_folders_are_named_after_tables():
    assert [folder_name(table) for table in ("3", "ablation")] == ["table3", "ablation"]
