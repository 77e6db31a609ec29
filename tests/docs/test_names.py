"""A function never has the name of a module of its package: importing it into the package would hide the module."""

import ast
from collections import defaultdict
from pathlib import Path

from tests.support.paths import ROOT


def shared_names(package: Path) -> list[str]:
    """Public functions of the modules below a folder that are named as one of these modules or their packages."""
    modules, functions = set(), defaultdict(list)
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        modules.add(path.parent.name if path.name == "__init__.py" else path.stem)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                functions[node.name].append(f"{place}: {node.name}")
    return [place for name in sorted(modules & functions.keys()) for place in functions[name]]


def test_a_shared_name_is_found_in_the_module_and_beside_it(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "fit.py").write_text("def fit(): ...\ndef other(): ...\nclass Inner: ...\n")
    (tmp_path / "inner" / "__init__.py").write_text("def prune(): ...\n")
    (tmp_path / "inner" / "prune.py").write_text("def inner(): ...\n")
    assert shared_names(tmp_path) == ["fit.py: fit", "inner/prune.py: inner", "inner/__init__.py: prune"]


def test_no_function_has_the_name_of_a_module_of_its_package():
    packages = [path for path in (ROOT / "spine_tf").iterdir() if path.is_dir()]
    assert len(packages) > 10
    assert [name for package in packages for name in shared_names(package)] == []
