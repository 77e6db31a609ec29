import zipfile

import pytest

from spine_tf.support.downloads import download_wheel
from spine_tf.support.errors import DownloadError
from tests.support.wheels import make_wheel, only_index


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
    with pytest.raises(DownloadError, match=rf"{package} {version} cannot be downloaded by pip: ERROR"):
        download_wheel(package, version, sha256 or right, tmp_path / "got")
