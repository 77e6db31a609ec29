import hashlib
import zipfile

import pytest

from spine_tf.wheels import WheelUnavailable, download_wheel


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


def test_the_pinned_wheel_comes_alone(tmp_path, monkeypatch):
    only_index(monkeypatch, tmp_path)
    sha256 = make_wheel(tmp_path, "some-data", {"some_data/a.bin": b"content"})
    wheel = download_wheel("some-data", "1.0", sha256, tmp_path / "got")
    # Its dependency, PyTorch, is neither there nor asked for.
    assert [path.name for path in (tmp_path / "got").glob("*.whl")] == ["some_data-1.0-py3-none-any.whl"]
    assert zipfile.ZipFile(wheel).read("some_data/a.bin") == b"content"


@pytest.mark.parametrize(
    ("package", "version", "sha256"),
    [("some-data", "1.0", "0" * 64), ("some-data", "1.1", None), ("none", "1.0", None)],
)
def test_any_other_is_refused(package, version, sha256, tmp_path, monkeypatch):
    only_index(monkeypatch, tmp_path)
    right = make_wheel(tmp_path, "some-data", {})
    with pytest.raises(WheelUnavailable, match=rf"{package} {version} cannot be downloaded by pip: ERROR"):
        download_wheel(package, version, sha256 or right, tmp_path / "got")
