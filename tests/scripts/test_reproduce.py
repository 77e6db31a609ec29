"""scripts/reproduce.py as a user runs it, preset `tiny`, on a folder in VerSe's layout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.markdown import squeezed
from tests.support.paths import SCRIPTS
from tests.support.verse_tree import write_verse_tree

SCRIPT = SCRIPTS / "reproduce.py"


@pytest.fixture
def reproduce(six_scans, tmp_path):
    """Runs the script with preset tiny on six scans; flags -> (exit status, stdout, stderr)."""
    verse = write_verse_tree(six_scans, tmp_path / "verse")
    places = ("--data", verse, "--runs", tmp_path / "runs", "--results", tmp_path / "results")

    def run(*flags) -> tuple[int, str, str]:
        command = [sys.executable, str(SCRIPT), "--preset", "tiny", *map(str, places), *map(str, flags)]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        return done.returncode, done.stdout, done.stderr

    return run


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_a_cell_is_run_once_and_its_table_put_together_again_without_training(reproduce, tmp_path):
    status, text, errors = reproduce("--table", "3", "--cells", "pspnet")
    assert status == 0, errors[-3000:]
    run = tmp_path / "runs" / "tiny" / "table3" / "pspnet" / "seed0"
    report = json.loads((run / "report.json").read_text())
    assert report["config"]["model"]["architecture"] == "pspnet"
    assert report["training"]["epochs"] == 1
    written = {f"table3.{kind}" for kind in ("json", "md", "tex", "png")}
    assert {path.name for path in (tmp_path / "results").iterdir()} == written
    text = squeezed(text)
    (line,) = [line for line in text.splitlines() if line.startswith("| PSPNet | 0.006 |")]
    table = json.loads((tmp_path / "results" / "table3.json").read_text())
    ours = {row["name"]: row["ours"] for row in table["rows"]}
    assert ours["unet"] is None
    assert f"| {100 * ours['pspnet']['dice']['mean']:.1f} | 1 |" in line
    assert "| U-Net | 0.005 | not run |" in text
    assert "VerSe'20" in text

    before, table_before = times(run), (tmp_path / "results" / "table3.md").read_text()
    status, text, errors = reproduce("--table", "3", "--cells", "pspnet")
    assert status == 0, errors[-3000:]
    assert times(run) == before
    assert (tmp_path / "results" / "table3.md").read_text() == table_before


def test_tables_without_runs_and_what_was_not_run(reproduce, tmp_path):
    status, text, errors = reproduce("--table", "1", "2", "5", "pruning", "--figure", "7", "--no-train")
    assert status == 0, errors[-3000:]
    text = squeezed(text)
    assert "| VerSe'20 | 300 | 6 |" in text
    assert "| RMSProp | 0.002 | not run |" in text
    assert "figure 7: nothing was run yet" in text
    assert not (tmp_path / "runs" / "tiny" / "table4").exists()


def test_what_does_not_exist_is_refused(reproduce):
    for flags, message in (
        ((), "table must be given"),
        (("--table", "3", "--cells", "segnet"), "cells of table 3 must be among"),
        (("--table", "3", "4", "--cells", "unet"), "cells must be given with one table"),
        (("--table", "8"), "8"),
    ):
        status, _, errors = reproduce(*flags)
        assert status == 2
        assert message in errors


@pytest.mark.slow
def test_whole_tables_the_ablations_pruning_and_figures_on_tiny(reproduce, tmp_path):
    status, text, errors = reproduce("--all")
    assert status == 0, errors[-3000:]
    assert "not run" not in text
    assert "not built" in text
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert {f"figure{number}.png" for number in range(1, 8)} <= names
    assert {f"table{number}.md" for number in range(1, 8)} | {"ablation.md", "pruning.md", "table5_curves.png"} <= names
    before = times(tmp_path / "runs")
    assert reproduce("--table", "3", "4", "5", "6", "7", "ablation", "pruning")[0] == 0
    assert times(tmp_path / "runs") == before
