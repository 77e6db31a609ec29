from pathlib import Path

from PIL import Image

from spine_tf.experiments.cells import cell_config
from spine_tf.experiments.plots import COLOURS, OURS, PAPERS, plot_curves, plot_scores
from spine_tf.experiments.settings import base_config
from spine_tf.experiments.tables import grid_table
from tests.support.finished_runs import RISING, write_run

BASE = base_config("small", Path("runs"), None)


def colours(path: Path) -> set[str]:
    with Image.open(path) as picture:
        return {f"#{r:02X}{g:02X}{b:02X}" for _, (r, g, b) in picture.convert("RGB").getcolors(1 << 20)}


def finish(folder: Path, name: str) -> list[Path]:
    folders = [folder / "table5" / name / f"seed{seed}" for seed in (0, 1)]
    for seed, place in enumerate(folders):
        write_run(place, cell_config("5", name, BASE, seed), {"crop": 0.4 + seed / 10}, RISING)
    return folders


def test_scores_show_ours_and_the_papers(tmp_path):
    finish(tmp_path, "adam")
    assert plot_scores(tmp_path / "scores.png", grid_table("5", BASE, tmp_path, (0, 1)))
    assert {OURS, PAPERS} <= colours(tmp_path / "scores.png")


def test_curves_have_a_colour_each(tmp_path):
    folders = {name: finish(tmp_path, name) for name in ("rmsprop", "adam")}
    assert plot_curves(tmp_path / "curves.png", folders | {"Adamax": []})
    found = colours(tmp_path / "curves.png")
    assert {COLOURS[0], COLOURS[1]} <= found
    assert COLOURS[2] not in found


def test_nothing_run_no_picture(tmp_path):
    assert not plot_scores(tmp_path / "scores.png", grid_table("5", BASE, tmp_path, (0,)))
    assert not plot_curves(tmp_path / "curves.png", {"Adam": []})
    assert not list(tmp_path.iterdir())
