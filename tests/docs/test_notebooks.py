"""What the notebooks hold, read from their files; `make test` also runs them, each in a clean kernel."""

import ast
import itertools
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.support.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REFRESH = ROOT / "notebooks" / "refresh.py"


def _cells(path: Path, kind: str) -> list[str]:
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_import_the_package_and_define_nothing(path):
    tree = ast.parse("\n".join(_cells(path, "code")))
    nodes = list(ast.walk(tree))
    assert not [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda)]
    assert "import spine_tf as st" in "\n".join(_cells(path, "code"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_sentence_stands_before_every_cell_but_the_imports(path):
    kinds = [cell["cell_type"] for cell in json.loads(path.read_text())["cells"]]
    for before, kind in itertools.pairwise(kinds):
        assert (before, kind) != ("code", "code")


def _check(folder: Path) -> subprocess.CompletedProcess:
    script = folder / "refresh.py"
    script.write_text(REFRESH.read_text())
    return subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)


def test_a_notebook_whose_code_was_changed_is_stale(tmp_path):
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert _check(tmp_path).returncode == 0
    next(cell for cell in notebook.cells if cell.cell_type == "code").source += "\n1 + 1"
    nbformat.write(notebook, tmp_path / "a.ipynb")
    done = _check(tmp_path)
    assert (done.returncode, "a.ipynb: its outputs are of other code" in done.stderr) == (1, True)


def test_a_path_of_the_machine_is_found(tmp_path):
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="/home/somebody/scan.nii.gz\n")]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert "an absolute path or a progress bar" in _check(tmp_path).stderr
