"""Wheels as PyPI has them, for pip without a network."""

import hashlib
import zipfile


def only_index(monkeypatch, folder) -> None:
    """Let pip see the wheels of one folder and nothing else."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def make_wheel(folder, package: str, files: dict[str, bytes]) -> str:
    """Write `package` 1.0 with these files as a wheel; returns its sha256."""
    name = package.replace("-", "_")
    info = {"METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\nRequires-Dist: torch\n", "RECORD": ""}
    info["WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in (files | {f"{name}-1.0.dist-info/{key}": text for key, text in info.items()}).items():
            archive.writestr(member, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()
