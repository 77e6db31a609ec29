"""Fixtures for all tests: small made scans, and the folder of real CT that is not part of the repository."""

import os
from pathlib import Path

import numpy as np
import pytest

from spine_tf.datasets.cache import CachedCase
from spine_tf.datasets.cases import Case


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real CT that may be used but not committed; tests that need it skip where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SPINE_TF_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder.name}; set SPINE_TF_SHARED_DATA")
    return folder


def _cached(name: str, mask: np.ndarray) -> CachedCase:
    hu = np.where(mask, 900, 100).astype(np.int16)
    case = Case(name, name, Path(f"{name}.nii.gz"), Path(f"{name}_msk.nii.gz"), None, "phantom", None)
    return CachedCase(case, hu, mask, np.argwhere(mask).astype(np.int32), (1.0, 1.0, 1.0), (-300.0, 1300.0))


@pytest.fixture
def cube_case() -> CachedCase:
    """32 mm of 100 HU with a cube of 16 mm and 900 HU in its middle, which is the spine."""
    mask = np.zeros((32, 32, 32), np.uint8)
    mask[8:24, 8:24, 8:24] = 1
    return _cached("cube", mask)


@pytest.fixture
def empty_case() -> CachedCase:
    """32 mm of 100 HU without any spine."""
    return _cached("empty", np.zeros((32, 32, 32), np.uint8))
