"""`experiments.reproduce` without training: what it refuses, what it writes; runs are in test_reproduce_script.py."""

from pathlib import Path

import pytest

from spine_tf.experiments.cells import cell_config
from spine_tf.experiments.reproduce import make_table, reproduce_results, run_table
from spine_tf.experiments.request import FIGURES, TABLES, Request
from spine_tf.experiments.settings import base_config
from tests.support.finished_runs import RISING, write_run


def finish(runs: Path, table: str, name: str, place: str, seed: int = 0) -> None:
    base = base_config("small", runs, None)
    write_run(runs / "small" / place / f"seed{seed}", cell_config(table, name, base, seed), {"crop": 0.5}, RISING)


def test_runs_of_other_settings_are_refused_before_anything_is_trained(tmp_path):
    finish(tmp_path, "3", "fpn", "table3/unet")
    base = base_config("small", tmp_path, None)
    with pytest.raises(ValueError, match=r"runs must hold runs of the settings asked for.*table3/unet/seed0"):
        run_table("3", base, tmp_path / "small", tmp_path / "data", (0,))
    assert [path.name for path in (tmp_path / "small" / "table3").iterdir()] == ["unet"]


def test_a_grid_that_is_done_is_put_together_and_drawn(tmp_path, capsys):
    for name, place in (("rmsprop", "table5/rmsprop"), ("adamax", "table4/efficientnetb7"), ("adam", "table5/adam")):
        finish(tmp_path, "5", name, place)
    asked = Request(table=("5",), seeds=(0,), runs=tmp_path, results=tmp_path / "results")
    assert reproduce_results(asked) == []
    names = {path.name for path in (tmp_path / "results").iterdir()}
    written = {"table5.json", "table5.md", "table5.tex"}
    assert names == written | {"table5.png", "table5_curves.png"}
    text = (tmp_path / "results" / "table5.md").read_text()
    assert "not run" not in text
    assert "![Table 5: optimizers, LinkNet-34 with EfficientNetB7](table5_curves.png)" in text
    assert text in capsys.readouterr().out


def test_an_empty_table_does_not_replace_one_with_results(tmp_path):
    base, place = base_config("small", tmp_path, None), tmp_path / "results"
    finish(tmp_path, "3", "fpn", "table3/fpn")
    _, text = make_table("3", base, tmp_path / "small", place, tmp_path, (0,))
    empty, other = make_table("3", base, tmp_path / "elsewhere", place, tmp_path, (0,))
    assert not empty["run"]
    assert "Nothing was run yet." in other
    assert (place / "table3.md").read_text() == text


def test_what_is_asked_for_and_where_it_goes(tmp_path):
    assert Request(all=True).tables == TABLES
    assert Request(all=True).figures == FIGURES
    assert Request(table=("3",)).figures == ()
    assert Request(table=("3",)).place == Path("docs/results")
    # What is committed there is of preset `small` on the embedded default.
    assert Request(table=("3",), preset="tiny").place == Path("runs/reproduce/tiny/results")
    assert Request(table=("3",), data=tmp_path).place == Path("runs/reproduce/small/results")
    assert Request(table=("3",), preset="tiny", results=tmp_path).place == tmp_path
    with pytest.raises(ValueError, match="table must be given, or figure, or all"):
        Request()
    with pytest.raises(ValueError, match=r"cells must be given with one table. Received: cells=\('unet',\)"):
        Request(table=("3", "4"), cells=("unet",))
    with pytest.raises(ValueError, match=r"table must be among .* Received: table=\('8',\)"):
        Request(table=("8",))
    with pytest.raises(ValueError, match=r"figure must be among .* Received: figure=\(8,\)"):
        Request(figure=(8,))
