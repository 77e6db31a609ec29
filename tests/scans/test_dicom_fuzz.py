"""Mutated series: a volume or a ScanError, soon, and nothing else. The seeds are fixed."""

import resource
import time
import warnings

import numpy as np
import pydicom
import pytest

from spine_tf.scans import ScanError, read_scan
from spine_tf.scans.dicom_seg import slices_to_segment
from tests.support.dicom_series import change_series, even_positions, some_hu, write_series

SHAPE = (10, 9, 8)
FORMS = ("", "JPEG2000", "JPEG", "RLE", "explicit")
MAX_GROWTH_KIB = 512 << 10
LENGTHS = (b"\xff\xff\xff\xff", b"\xfe\xff\xff\x7f", b"\0\0\0\0", b"\xfe\xff\x00\xe0", b"\0\0\0\x80")


def _series(folder, form):
    write_series(folder, some_hu(SHAPE), even_positions(8), compress=form if form in ("JPEG2000", "JPEG") else "")

    def change(number, dataset):
        dataset.ImageType, dataset.ConvolutionKernel = ["ORIGINAL", "PRIMARY"], "B30f"
        dataset.FrameOfReferenceUID = "1.2.3.4"  # or no segmentation could be made
        if form == "RLE":
            dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
        elif form == "explicit":
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            dataset["PixelData"].VR = "OW"

    if form == "explicit":
        for path in folder.iterdir():
            dataset = pydicom.dcmread(path)
            change(0, dataset)
            pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=True, force_encoding=True)
    else:
        change_series(folder, change)
    return sorted(folder.iterdir())


def _mutated(raw: bytes, rng: np.random.Generator) -> bytes:
    """Flip bytes, replace four by a length, cut, drop or repeat a part, or add one; sometimes several of them."""
    for _ in range(rng.integers(1, 3)):
        size = max(len(raw), 1)
        # Most of a small file is preamble and meta header; what counts lies anywhere behind them.
        at, other = sorted(int(v) for v in rng.integers(128, max(size, 129), 2))
        kind = rng.integers(10)
        if kind > 4:
            raw = raw[:at] + bytes([int(rng.integers(256))]) + raw[at + 1 :]
        elif kind == 1:
            raw = raw[:at] + LENGTHS[rng.integers(len(LENGTHS))] + raw[at + 4 :]
        elif kind == 2:
            raw = raw[:at]
        elif kind == 3:
            raw = raw[:at] + raw[other:]
        elif kind == 4:
            raw = raw[:other] + raw[at:other] + raw[other:]
        elif kind == 0:
            raw = raw + rng.bytes(int(rng.integers(1, 40)))
    return raw


def _fuzz(folder, form, rounds, seed):
    """Read a series with some of its files mutated, over and over; how many were read, and how many refused."""
    files = _series(folder, form)
    whole = [path.read_bytes() for path in files]
    rng = np.random.default_rng(seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = {"read": 0, "refused": 0}
    said = set()
    for _ in range(rounds):
        for k in rng.choice(len(files), int(rng.integers(1, 3)), replace=False):
            files[k].write_bytes(_mutated(whole[k], rng))
        try:
            volume = read_scan(folder)
            assert volume.array.dtype == np.int16
            assert np.isfinite(volume.affine).all()
            outcomes["read"] += 1
        except ScanError as error:
            outcomes["refused"] += 1
            said.add(str(error))
        try:
            with warnings.catch_warnings(action="ignore"):
                slices_to_segment(folder)
        except ScanError as error:
            said.add(str(error))
        for path, content in zip(files, whole, strict=True):
            path.write_bytes(content)
    assert all("\n" not in line and ". Received: " in line for line in said)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH_KIB
    assert read_scan(folder).shape == SHAPE
    return outcomes


@pytest.mark.parametrize("form", FORMS)
def test_mutated_series_are_read_or_refused(tmp_path, form):
    start = time.process_time()
    outcomes = _fuzz(tmp_path / "series", form, 20, seed=5)
    assert min(outcomes.values()) > 0
    assert time.process_time() - start < 10


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_many_mutated_series_are_read_or_refused(tmp_path, form):
    assert sum(_fuzz(tmp_path / "series", form, 1500, seed=7).values()) >= 1500
