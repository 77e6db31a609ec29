"""README, CONTRIBUTING and docs name commands, flags and files that exist."""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n((?:.*\n)*?)```$|((?:^ {4}.*\n)+)", re.MULTILINE)
"""A fenced block with its language, or lines indented by four spaces."""
SCRIPTS = {"describe": "describe_model", "publish": "ship"}
"""Sub-command -> its script, where that is not the same name with underscores."""
ASK_ALL = """
import contextlib, io, json, os, runpy, sys
asked, answers = json.loads(sys.argv[1]), {}
for command in asked:
    text, words = io.StringIO(), command.split()
    with contextlib.redirect_stdout(text):
        try:
            if words[0] == "spine-tf":
                from spine_tf.cli.command import main
                code = main([*words[1:], "--help"])
            else:
                sys.argv, sys.path[0] = [command, "--help"], os.path.dirname(command)
                code = runpy.run_path(command, run_name="__main__") and "no help"
        except SystemExit as end:
            code = end.code
    answers[command] = (code or 0, text.getvalue())
print(json.dumps(answers))
"""
"""Asks each command for its help in one process, so that what they import is imported once."""


def blocks_and_prose(text: str) -> tuple[list[str], str]:
    """Split Markdown into its blocks of code, Python's left out, and the rest."""
    blocks = [(found[2] or found[3] or "") for found in BLOCK.finditer(text) if found[1] != "python"]
    return blocks, BLOCK.sub("\n", text)


def shell_commands(line: str) -> list[list[str]]:
    """Split a line of shell into the words of its commands; comments and assignments in front are left out."""
    lexer = shlex.shlex(re.sub(r"(^|\s)#.*", "", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    commands = [[]]
    for word in lexer:
        if set(word) <= set("();<>|&"):
            commands.append([])
        elif commands[-1] or not (word == "do" or re.match(r"\w+=", word)):
            commands[-1].append(word)
    return [words for words in commands if words]


def own_command(words: list[str]) -> tuple[str, list[str]] | None:
    """Name a command of this project: "make demo", "spine-tf predict" or a script's path; with its flags."""
    program = words[0].removeprefix(".venv/bin/")
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    if program == "make":
        return " ".join(["make", *(word for word in words[1:] if "=" not in word)]), []
    if program == "spine-tf" and len(words) > 1:
        return f"spine-tf {words[1]}", flags
    if program in ("python", "python3") and len(words) > 1 and re.match(r"(scripts|benchmarks)/", words[1]):
        return words[1], flags
    return None


def own_commands(text: str) -> list[tuple[str, list[str]]]:
    """The project's commands in a page of Markdown, in blocks of code and between backticks."""
    blocks, prose = blocks_and_prose(text)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose)]
    lines = [line for line in lines if re.search(r"spine-tf|python3? (scripts|benchmarks)/|\bmake\b", line)]
    found = [own_command(words) for line in lines for words in shell_commands(line)]
    return [command for command in found if command]


def asked_of(command: str) -> str:
    """What answers for a command: `spine-tf NAME` itself, or NAME's script where the package has no such program."""
    program, _, name = command.partition(" ")
    if program != "spine-tf" or find_spec("spine_tf.cli.command"):
        return command
    return f"scripts/{SCRIPTS.get(name, name.replace('-', '_'))}.py"


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple]:
    """What each command answers to `--help`: exit code and text."""
    found = {asked_of(command) for page in PAGES for command, _ in own_commands(page.read_text())}
    asked = sorted(command for command in found if command.startswith("spine-tf") or (ROOT / command).is_file())
    done = subprocess.run(
        [sys.executable, "-c", ASK_ALL, json.dumps(asked)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def anchors(page: Path) -> list[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings]


def test_commands_are_found_in_blocks_and_in_prose():
    text = "Run `make demo`, then:\n\n    A='x; y' .venv/bin/python scripts/train.py --run a \\\n"
    text += "        --seed=1 # --not\n\n```bash\ncd a && spine-tf predict b --fast | cat\n```\n"
    text += "```python\nmake = 1\n```\n"
    assert own_commands(text) == [
        ("scripts/train.py", ["--run", "--seed"]),
        ("spine-tf predict", ["--fast"]),
        ("make demo", []),
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_flag_exists(page, answers):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = []
    for command, flags in own_commands(page.read_text()):
        if command.startswith("make"):
            wrong += [f"{command}: no target {name}" for name in command.split()[1:] if name not in targets]
            continue
        code, text = answers.get(asked_of(command), ("no such file", ""))
        wrong += [f"{command} --help: {code}"] if code else []
        wrong += [f"{command}: no {flag}" for flag in flags if flag not in re.findall(r"--[a-z][a-z0-9-]*", text)]
    assert not wrong


def test_the_readme_has_commands_to_check():
    found = {command for command, _ in own_commands((ROOT / "README.md").read_text())}
    assert {"make demo", "make test", "spine-tf predict", "spine-tf train", "spine-tf prune"} <= found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    _, prose = blocks_and_prose(page.read_text())
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target: Path = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert not wrong


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 160
    assert len(text.split()) <= 1500
