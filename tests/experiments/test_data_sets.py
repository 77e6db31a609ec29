from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spine_tf.config import with_changes
from spine_tf.data.cases import Case
from spine_tf.experiments.data_sets import count_cases, data_table, data_text
from spine_tf.experiments.settings import base_config
from tests.support.markdown import squeezed
from tests.support.verse_tree import write_verse_tree


def case(folder: Path, name: str, subject: str, labels: list[int], spacing_mm: tuple[float, ...]) -> Case:
    mask = np.zeros((12, 10, 8), np.uint8)
    mask.reshape(-1)[: len(labels)] = labels
    path = folder / f"{name}.nii.gz"
    nib.save(nib.Nifti1Image(mask, np.diag([*spacing_mm, 1])), path)
    return Case(name, subject, path, path, None, "made by a test")


def test_scans_subjects_vertebrae_and_voxel_sizes_are_counted(tmp_path):
    cases = [
        case(tmp_path, "a", "anna", [6, 7, 8, 26], (1, 1, 2)),
        case(tmp_path, "b", "anna", [19, 20, 28], (0.5, 1, 3)),
    ]
    bare = Case("c", "carl", tmp_path / "c.nii.gz", source="made by a test")
    counts = count_cases([*cases, bare], tmp_path / "counted.json")["made by a test"]
    # C6, C7; T1, T12, T13; L1; the sacrum is no vertebra here.
    expected = {"series": 3, "subjects": 2, "with_mask": 2, "cervical": 2, "thoracic": 3, "lumbar": 1}
    assert {name: counts[name] for name in expected} == expected
    assert counts["spacing_mm"] == [[0.5, 1], [1, 1], [2, 3]]


def test_masks_are_read_once(tmp_path):
    made = case(tmp_path, "a", "anna", [20], (1, 1, 1))
    first = count_cases([made], tmp_path / "counted.json")
    stored = tmp_path / "counted.json"
    before = stored.stat().st_mtime_ns
    assert count_cases([made], stored) == first
    assert stored.stat().st_mtime_ns == before
    # One more vertebra makes it another file.
    made = case(tmp_path, "a", "anna", [20, 21, 22], (1, 1, 1))
    assert count_cases([made], stored)["made by a test"]["lumbar"] == 3


def test_a_verse_root_is_a_row_beside_the_papers_and_the_other_release_is_not_on_disk(six_scans, tmp_path):
    base = base_config("tiny", tmp_path / "runs", write_verse_tree(six_scans, tmp_path / "verse"))
    text = squeezed(data_text(data_table(base, tmp_path / "runs", tmp_path / "data")))
    # Six scans of one lumbar vertebra each.
    assert "| VerSe'20 | 300 | 6 | 6 | 6 | 0 | 0 | 6 | 1, 1, 1 |" in text
    assert "| VerSe'19 | 160 | not on disk |" in text
    assert "OSF" in text


def test_a_root_without_scans_is_refused(tmp_path):
    base = base_config("tiny", tmp_path, None)
    base = with_changes(base, data={"data": tmp_path})
    with pytest.raises(ValueError, match="data must be a folder with VerSe's CTs"):
        data_table(base, tmp_path, tmp_path)
