import pytest

from spine_tf.data import Case, load_case
from spine_tf.data.default_data import embedded_split, weighted
from spine_tf.scans.labels import spine_mask


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """pip with an empty index, as on a machine without network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))


def test_offline_there_are_phantoms_and_a_note(offline, tmp_path, monkeypatch):
    monkeypatch.setattr("spine_tf.data.default_data.VALIDATION_SEEDS", range(10_000, 10_001))
    monkeypatch.setattr("spine_tf.data.default_data.TEST_SEEDS", range(20_000, 20_001))
    split, notes = embedded_split(tmp_path, ("tptbox-l3",), 2, progress=False)
    assert (len(split.train), len(split.val), len(split.test)) == (2, 1, 1)
    assert "missing" in notes[0]
    volume, labels = load_case(split.train[0])
    assert spine_mask(labels).any()
    assert volume.array.shape == labels.shape
    assert "scoliosis_metal" in split.test[0].source
    assert all("scoliosis_metal" not in case.source for case in [*split.train, *split.val])
    again, _ = embedded_split(tmp_path, ("tptbox-l3",), 2, progress=False)
    assert again == split


def test_a_real_scan_is_drawn_as_often_as_several_phantoms(tmp_path):
    real, phantom = (Case(name, name, tmp_path, source=source) for name, source in (("a", "a wheel"), ("b", "phantom")))
    assert weighted([real, phantom], 3) == [real, real, real, phantom]
