"""What the notebooks hold, read from their files; `make test` also runs them, each in a clean kernel."""

import ast
import json
import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def _cells(path: Path, kind: str) -> list[str]:
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


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
def test_scripts_that_they_name_exist(path):
    named = re.findall(r"scripts/\w+\.py", path.read_text())
    assert named
    assert [script for script in named if not (ROOT / script).is_file()] == []
