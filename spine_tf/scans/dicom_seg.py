"""A mask as a DICOM Segmentation of the series it came from: a frame for each slice, on that slice's own pixels."""

import os
import re
import struct
import warnings
from pathlib import Path

import numpy as np

from spine_tf._version import __version__
from spine_tf.scans.checks import refuse
from spine_tf.scans.dicom_geometry import stack_slices
from spine_tf.scans.dicom_header import Slice
from spine_tf.scans.dicom_series import find_series
from spine_tf.scans.volume import Volume
from spine_tf.support.files import whole_file

DESCRIPTION = "spine_tf, not for diagnostic use"

SERIES_NUMBER = 9000
"""Far from the numbers that a scanner gives."""

ONE_EACH = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
"""What every slice has to have, and the same in all (DICOM's type 1): without, the segmentation belongs nowhere."""

MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "SliceThickness",
)
"""What a slice has to have, if only empty (DICOM's type 2); some anonymisers remove them."""

_TAG_ERRORS = (AttributeError, EOFError, KeyError, OSError, RuntimeError, struct.error, TypeError, ValueError)
"""What pydicom and highdicom raise for tags that are no DICOM; RuntimeError stands for RecursionError and its like."""


def slices_to_segment(path: Path, series: str | None = None) -> list[Slice]:
    """The slices that a segmentation of a scan will lie on, in the order of the scan's stored planes.

    To be asked before a network runs: it refuses what `write_dicom_seg` could not write.

    Args:
        path: a DICOM folder, as for `read_scan`.
        series: SeriesInstanceUID; None prefers one, as `read_scan` does.

    Raises:
        ScanError: no DICOM folder; a series that was resampled when it was read (gantry tilt, uneven slice
            distances), so that its slices and the mask have different voxels; slices without SOPInstanceUIDs, as
            some anonymisers leave them; a series without ONE_EACH, or with tags that are no DICOM; highdicom is not
            installed; or as `read_dicom`.
    """
    source = Path(os.path.abspath(path)).name
    try:
        import highdicom  # noqa: F401  asked for here, not after a network has run
    except ImportError as error:
        raise refuse(source, "a DICOM segmentation needs the package highdicom", error) from None
    if not Path(path).is_dir():
        raise refuse(source, "a DICOM segmentation needs a folder with a DICOM series", "a file")
    stack = stack_slices(find_series(Path(path), series, source), source)
    if not stack.even or stack.shifts.any():
        expected = "a DICOM segmentation needs slices that lie on a rectangular grid (write NIfTI instead)"
        raise refuse(source, expected, "; ".join(stack.warnings))
    named = len({item.instance for item in stack.slices if item.instance})
    if named < len(stack.slices):
        expected = "a DICOM segmentation names its slices: each needs a SOPInstanceUID of its own (write NIfTI instead)"
        raise refuse(source, expected, f"{named} for {len(stack.slices)} slices")
    # One empty frame tells whether the series has what highdicom asks of it.
    _build(_headers(stack.slices, source)[:1], np.zeros((1, *stack.slices[0].size[::-1]), np.uint8), "", source)
    return stack.slices


def write_dicom_seg(path: Path, mask_ras: np.ndarray, volume: Volume, slices: list[Slice], network: str) -> None:
    """Write a binary mask as a DICOM Segmentation object of one segment, the spine; whole or not at all.

    It belongs to the patient and study of its series and carries their tags, as DICOM wants it; it is a new series.
    Slices without spine have no frame, unless there is no spine at all: then all have one.

    Args:
        path: the file.
        mask_ras: bool, on the axes of `volume.array`.
        volume: as `read_scan` gave it.
        slices: of the same folder and series, from `slices_to_segment`.
        network: named as the algorithm.

    Raises:
        ScanError: as `slices_to_segment`, should the series have changed since.
        ValueError: a mask that is not the volume's, or slices that are not.

    Source: DICOM PS3.3 A.51, Segmentation IOD; codes of CID 7150 and CID 7192.
    """
    stored = volume.to_stored(np.asarray(mask_ras, bool))  # (columns, rows, slices)
    if stored.shape != (*slices[0].size, len(slices)):
        received = f"{len(slices)} slices of {slices[0].size} for {stored.shape}"
        raise ValueError(f"slices must be those of the volume. Received: {received}")
    frames = np.ascontiguousarray(stored.transpose(2, 1, 0), np.uint8)  # (slices, rows, columns)
    source = volume.grid.source
    made = _build(_headers(slices, source), frames, network, source)
    with whole_file(path) as part, warnings.catch_warnings(action="ignore"):
        made.save_as(part)


def _headers(slices: list[Slice], source: str) -> list:
    """The slices' tags, with MAY_BE_EMPTY in all of them; ScanError without ONE_EACH, or for tags that are none."""
    import pydicom

    with warnings.catch_warnings(action="ignore"):
        try:
            images = [pydicom.dcmread(item.path, stop_before_pixels=True, force=True) for item in slices]
            for image in images:
                # Some anonymisers empty it; that these are CT slices is known by their modality.
                image.SOPClassUID = image.get("SOPClassUID") or pydicom.uid.CTImageStorage
                for keyword in MAY_BE_EMPTY:
                    image.setdefault(keyword, None)
            found = {keyword: [str(image.get(keyword) or "") for image in images] for keyword in ONE_EACH}
        except _TAG_ERRORS as error:
            raise _no_tags(error, source) from None
    for keyword, uids in found.items():
        if not all(uids) or len(set(uids)) > 1:
            expected = f"a DICOM segmentation needs one {keyword} in all slices (write NIfTI instead)"
            received = f"{len(set(uids) - {''})} in {sum(map(bool, uids))} of {len(uids)} slices"
            raise refuse(source, expected, received)
    return images


def _no_tags(error: Exception, source: str) -> Exception:
    """The refusal of tags that are no DICOM."""
    expected = "a DICOM segmentation repeats the tags of patient and study, which must be as DICOM wants them"
    # Some of these messages quote the tag, which may be the patient's.
    words = str(error) if isinstance(error, AttributeError) else re.sub(r"(['\"]).*\1", "'...'", str(error))
    return refuse(source, expected, f"{type(error).__name__}: {words}")


def _build(images: list, frames: np.ndarray, network: str, source: str):
    """The Segmentation of frames (slices, rows, columns) uint8 on images; ScanError for tags that are no DICOM."""
    # Imported here: only who wants DICOM out waits for it.
    import highdicom as hd
    from pydicom.sr.codedict import codes

    # A long string (LO) holds 64 characters, and a backslash would part it in two.
    name = network.replace("\\", "/").encode("ascii", "replace").decode()[:64] or "spine_tf"
    network_id = hd.AlgorithmIdentificationSequence(
        name, codes.DCM.ArtificialIntelligence, __version__, source="spine_tf"
    )
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Vertebral column",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Spine,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=network_id,
    )
    try:
        # A name without a caret is quoted in a warning.
        with warnings.catch_warnings(action="ignore"):
            return hd.seg.Segmentation(
                source_images=images,
                pixel_array=frames,
                segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
                segment_descriptions=[segment],
                series_instance_uid=hd.UID(),
                series_number=SERIES_NUMBER,
                sop_instance_uid=hd.UID(),
                instance_number=1,
                manufacturer="spine_tf",
                manufacturer_model_name="spine_tf",
                software_versions=__version__,
                device_serial_number="0",
                content_label="SPINE",
                content_description=DESCRIPTION,
                series_description=DESCRIPTION,
                omit_empty_frames=bool(frames.any()),
            )
    except _TAG_ERRORS as error:
        raise _no_tags(error, source) from None
