"""A mask as a DICOM Segmentation of the series it came from: a frame for each slice, on that slice's own pixels."""

from pathlib import Path

import numpy as np

from spine_tf import __version__
from spine_tf.files import whole_file
from spine_tf.scans.checks import refuse
from spine_tf.scans.dicom import quiet
from spine_tf.scans.dicom_geometry import stack_slices
from spine_tf.scans.dicom_series import Slice, find_series
from spine_tf.scans.volume import Volume

DESCRIPTION = "spine_tf, not for diagnostic use"

SERIES_NUMBER = 9000
"""Far from the numbers that a scanner gives."""


def slices_to_segment(path: Path, series: str | None = None) -> list[Slice]:
    """The slices that a segmentation of a scan will lie on, in the order of the scan's stored planes.

    To be asked before a network runs: it refuses what `write_dicom_seg` could not write.

    Args:
        path: a DICOM folder, as for `read_scan`.
        series: SeriesInstanceUID; None: the largest CT series.

    Raises:
        ScanError: no DICOM folder; a series that was resampled when it was read (gantry tilt, uneven slice
            distances), so that its slices and the mask have different voxels; slices without SOPInstanceUIDs, as
            some anonymisers leave them; or as `read_dicom`.
    """
    source = Path(path).resolve().name
    if not Path(path).is_dir():
        raise refuse(source, "a DICOM segmentation needs a folder with a DICOM series", "a file")
    with quiet():
        stack = stack_slices(find_series(Path(path), series, source)[0], source)
    if not stack.even or stack.shifts.any():
        expected = "a DICOM segmentation needs slices that lie on a rectangular grid (write NIfTI instead)"
        raise refuse(source, expected, "; ".join(stack.warnings))
    named = len({item.instance for item in stack.slices if item.instance})
    if named < len(stack.slices):
        expected = "a DICOM segmentation names its slices: each needs a SOPInstanceUID of its own (write NIfTI instead)"
        raise refuse(source, expected, f"{named} for {len(stack.slices)} slices")
    return stack.slices


def write_dicom_seg(path: Path, mask_ras: np.ndarray, volume: Volume, slices: list[Slice], network: str) -> None:
    """Write a binary mask as a DICOM Segmentation object of one segment, the spine; whole or not at all.

    It belongs to the patient and study of its series and carries their tags, as DICOM wants it; it is a new series.
    Slices without spine have no frame, unless there is no spine at all: then all have one.

    Args:
        path: the file.
        mask_ras: bool, on the axes of `volume.hu`.
        volume: as `read_scan` gave it.
        slices: of the same folder and series, from `slices_to_segment`.
        network: named as the algorithm.

    Raises:
        ScanError: the series lacks tags that a segmentation has to repeat.
        ValueError: a mask that is not the volume's, or slices that are not.

    Source: DICOM PS3.3 A.51, Segmentation IOD; codes of CID 7150 and CID 7192.
    """
    # Imported here: only who wants DICOM out waits for it.
    import highdicom as hd
    import pydicom
    from pydicom.sr.codedict import codes

    stored = volume.to_stored(np.asarray(mask_ras, bool))  # (columns, rows, slices)
    if stored.shape != (*slices[0].size, len(slices)):
        received = f"{len(slices)} slices of {slices[0].size} for {stored.shape}"
        raise ValueError(f"slices must be those of the volume. Received: {received}")
    frames = np.ascontiguousarray(stored.transpose(2, 1, 0), np.uint8)  # (slices, rows, columns)
    images = [pydicom.dcmread(item.path, stop_before_pixels=True, force=True) for item in slices]
    for image in images:
        # Some anonymisers empty it; that these are CT slices is known by their modality.
        image.SOPClassUID = image.get("SOPClassUID") or pydicom.uid.CTImageStorage
    network_id = hd.AlgorithmIdentificationSequence(network, codes.DCM.ArtificialIntelligence, __version__)
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Spine",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Spine,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=network_id,
    )
    try:
        made = hd.seg.Segmentation(
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
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        expected = "a DICOM segmentation needs a series with the tags that it repeats"
        raise refuse(volume.grid.source, expected, f"{type(error).__name__}: {error}") from error
    with whole_file(path) as part:
        made.save_as(part)
