"""The command `spine-tf` and the scripts beside it: what they list, say and end with."""

import importlib
import os
import signal
import subprocess
import sys
import time
import tomllib

import nibabel as nib
import numpy as np
import pytest

from spine_tf._version import __version__
from spine_tf.cli.command import SUMMARIES, main
from spine_tf.cli.common import DONE, FAILED, INTERRUPTED, USAGE
from tests.support.paths import ROOT, SCRIPTS
from tests.support.scans import bright_block_hu

HEAVY = ("tensorflow", "keras", "nibabel", "scipy", "ray", "matplotlib", "SimpleITK")

RENAMED = {"describe_model": "describe", "ship": "publish"}
"""Scripts whose sub-command has another name."""

HELP_OF_ALL = """
import runpy, sys
from pathlib import Path
for path in sys.argv[1:]:
    sys.argv = [path, "--help"]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as stop:
        print(f"ended: {Path(path).stem} {stop.code}")
print(*sys.modules)
"""


def _python(*args, **options):
    return subprocess.run([sys.executable, *map(str, args)], capture_output=True, text=True, cwd=ROOT, **options)


@pytest.fixture
def scan(tmp_path) -> str:
    path = tmp_path / "a_ct.nii.gz"
    nib.save(nib.Nifti1Image(bright_block_hu(), np.eye(4)), path)
    return str(path)


def test_alone_it_lists_every_sub_command_and_imports_nothing_heavy():
    code = (
        f"import sys; from spine_tf.cli.command import main; main([]); print([n for n in {HEAVY} if n in sys.modules])"
    )
    done = _python("-c", code)
    *listed, heavy = done.stdout.splitlines()
    assert heavy == "[]", done.stderr
    for name, summary in SUMMARIES.items():
        assert [line for line in listed if line.split()[:1] == [name] and line.endswith(summary)]


def test_every_module_is_listed_and_every_listed_one_is_there():
    others = {"__init__", "command", "common", "config_flags", "segmentation_flags"}
    modules = {path.stem for path in (ROOT / "spine_tf" / "cli").glob("*.py")} - others
    assert modules == {name.replace("-", "_") for name in SUMMARIES}
    for name in modules:
        module = importlib.import_module(f"spine_tf.cli.{name}")
        assert "quiet" in module.Flags.__dataclass_fields__


def test_version_and_the_module_form(capsys):
    assert main(["--version"]) == DONE
    assert capsys.readouterr().out == f"spine-tf {__version__}\n"
    assert _python("-m", "spine_tf", "--version").stdout == f"spine-tf {__version__}\n"


def test_the_installed_command_is_this_function():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["spine-tf"].split(":")
    assert getattr(importlib.import_module(module), function) is main


def test_an_unknown_name_is_told_in_one_line_with_what_is_close(capsys):
    assert main(["predict_man", "x"]) == USAGE
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line == "error: NAME must be a sub-command (did you mean predict-many or predict?). Received: predict_man"


def test_every_script_gives_its_help_without_tensorflow():
    scripts = sorted(SCRIPTS.glob("*.py"))
    assert {RENAMED.get(path.stem, path.stem).replace("_", "-") for path in scripts} == set(SUMMARIES)
    done = _python("-c", HELP_OF_ALL, *scripts)
    for path in scripts:
        assert f"ended: {path.stem} 0" in done.stdout, done.stderr
    assert done.stdout.count("--quiet") >= len(scripts)
    assert not set(HEAVY).intersection(done.stdout.splitlines()[-1].split())
    assert done.stderr == ""


def test_usage_names_the_program_that_was_called(capsys):
    assert main(["score-verse", "--help"]) == DONE
    assert capsys.readouterr().out.startswith("usage: spine-tf score-verse ")
    assert _python(SCRIPTS / "score_verse.py", "--help").stdout.startswith(f"usage: {SCRIPTS / 'score_verse.py'} ")


@pytest.mark.parametrize("args", [["train", "--epochs", "many"], ["predict"], ["evaluate", "--bogus"]])
def test_flags_that_are_refused_end_with_2(args, capsys):
    assert main(args) == USAGE
    assert capsys.readouterr().err


def test_what_the_package_refuses_is_one_line_and_2(tmp_path, capsys):
    assert main(["score-verse", "--pred", str(tmp_path), "--data", str(tmp_path / "none")]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "Received: " in line


def test_an_error_of_several_lines_becomes_one(tmp_path, capsys):
    (tmp_path / "prune.json").write_text("{\n\n?")
    assert main(["prune", "--resume", "--run", str(tmp_path)]) == USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_scan_over_the_memory_budget_fails_and_the_command_with_it(threshold_lite, scan, tmp_path, capsys):
    out = tmp_path / "out"
    args = ["predict", scan, "--model", str(threshold_lite), "--output", str(out)]
    assert main([*args, "--quiet", "--memory-budget-gib", "1e-6"]) == FAILED
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("failed: a: a_ct.nii.gz: the scan must fit memory_budget_gib=1e-06")
    assert main(args) == DONE
    assert "done     a" in capsys.readouterr().out


def test_import_case_takes_the_memory_budget(scan, tmp_path, capsys):
    out = tmp_path / "out"
    flags = ["--image", scan, "--mask", scan, "--name", "a", "--output", str(out)]
    assert main(["import-case", *flags, "--memory-budget-gib", "1e-6"]) == USAGE
    assert "the scan must fit memory_budget_gib=1e-06" in capsys.readouterr().err
    assert not out.exists()


def test_quiet_shows_results_and_no_progress(tmp_path, capsys):
    args = ["make-phantoms", "--count", "1", "--root", str(tmp_path)]
    assert main([*args, "--quiet"]) == DONE
    assert capsys.readouterr() == (f"1 phantoms in {tmp_path}\n", "")
    # It is made already, so that this takes no time.
    assert main(args) == DONE
    assert "1/1" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_one_line(tmp_path):
    command = [sys.executable, "-m", "spine_tf", "make-phantoms", "--root", str(tmp_path), "--count", "1000", "--quiet"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that started the tests in the background has SIGINT ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        give_up = time.monotonic() + 120
        while not list(tmp_path.rglob("*_ct.nii.gz")):
            assert process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == INTERRUPTED
    assert (out, errors) == ("", "interrupted\n")
