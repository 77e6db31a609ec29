"""What the notebooks promise, read from their files; `make test` also runs them, each in a clean kernel."""

import ast
import json
from pathlib import Path

import pytest

from tests.support.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = ["01_data_and_views", "02_train", "03_prune", "04_export_and_serve", "05_your_own_ct"]


def _cells(path: Path, kind: str) -> list[str]:
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def test_there_are_five():
    assert [path.stem for path in NOTEBOOKS] == NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_without_outputs(path):
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_import_the_package_and_define_nothing(path):
    tree = ast.parse("\n".join(_cells(path, "code")))
    nodes = list(ast.walk(tree))
    assert not [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda)]
    assert [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module.startswith("spine_tf")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_begins_with_the_full_size_command_and_what_to_expect(path):
    first = _cells(path, "markdown")[0]
    scripts = [word for word in first.split() if word.startswith("scripts/")]
    assert scripts
    for script in scripts:
        assert (path.parents[1] / script).is_file()
    assert any(word in first for word in ("expect", "Expect", "reports", "Not for diagnostic use"))
