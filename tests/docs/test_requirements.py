"""The locked requirements, against what the installed packages ask for."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT


def pinned(path: Path) -> dict[str, set[str]]:
    """Name of each pinned package -> the extras it is pinned with."""
    lines = re.findall(r"^([a-z0-9_.-]+)(?:\[([a-z0-9_,.-]+)\])?==", path.read_text(), flags=re.MULTILINE)
    return {canonicalize_name(name): {extra for extra in extras.split(",") if extra} for name, extras in lines}


def asked(name: str, extras: set[str]) -> list[Requirement]:
    """What an installed package requires on this machine; nothing of one that is for other machines."""
    try:
        wanted = [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:
        return []
    return [one for one in wanted if not one.marker or any(one.marker.evaluate({"extra": e}) for e in {"", *extras})]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-laptop.txt"])
def test_every_package_is_pinned_with_the_extras_it_is_asked_for_with(name):
    """Else pip looks beside the pin for the newest release that has the extra, and the hashes refuse it."""
    pins = pinned(ROOT / name)
    assert {"numpy", "nibabel", "tyro"} <= set(pins)
    missing = [
        f"{package} asks for {requirement}"
        for package, extras in pins.items()
        for requirement in asked(package, extras)
        if not requirement.extras <= pins.get(canonicalize_name(requirement.name), set())
    ]
    assert not missing
