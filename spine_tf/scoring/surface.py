"""Measures the distance between the surfaces of two masks: HD95 in mm and surface Dice.

Surface elements, their areas and both scores are those of `surface-distance` (Nikolov et al. 2018, arXiv:1809.04430).
Its own search for the nearest surface is not used: with everything foreground in a CT of 512 x 512 x 133 it took 18 s
and 64 bytes a voxel where this one took 5 s and 22, and NumPy 2 breaks it where a mask is empty.
"""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from surface_distance import compute_robust_hausdorff, compute_surface_dice_at_tolerance, lookup_tables

from spine_tf.scoring.overlap import check_masks

TOLERANCES_MM = (1.0, 2.0)


def surface_scores(
    truth: np.ndarray,
    mask: np.ndarray,
    spacing_mm: tuple[float, float, float],
    tolerances_mm: tuple[float, ...] = TOLERANCES_MM,
) -> dict[str, float]:
    """Compute HD95 and the surface Dice of two masks.

    HD95 is the larger of the two directions' 95th percentile, weighted by area. Where both masks are empty it is 0 and
    the surface Dice 1; where one is, there is no distance to give: HD95 is infinite and the surface Dice 0. An infinite
    HD95 stays in the means: a mean that left out the worst cases would be better for missing the spine altogether.

    Args:
        truth, mask: (x, y, z) bool.
        spacing_mm: voxel size along x, y, z.
        tolerances_mm: of the surface Dice.

    Returns:
        "hd95_mm", and "surface_dice_<tolerance>mm" in [0, 1] for each tolerance.

    Raises:
        ValueError: another dtype than bool, or unequal shapes.

    Example:
        >>> truth, mask = np.zeros((2, 8, 8, 8), bool)
        >>> truth[2:5, 2:5, 2:5] = mask[3:6, 2:5, 2:5] = True
        >>> surface_scores(truth, mask, (1.0, 1.0, 1.0))
        {'hd95_mm': 1.0, 'surface_dice_1mm': 1.0, 'surface_dice_2mm': 1.0}
    """
    check_masks(truth, mask)
    names = [f"surface_dice_{tolerance:g}mm" for tolerance in tolerances_mm]
    found = truth.any(), mask.any()
    if not all(found):
        same = not any(found)
        return {"hd95_mm": 0.0 if same else np.inf, **dict.fromkeys(names, float(same))}
    box = bounding_box(truth | mask)
    areas = np.asarray(lookup_tables.create_table_neighbour_code_to_surface_area(spacing_mm))
    codes = [_neighbour_codes(array[box]) for array in (truth, mask)]
    surfaces = [(code > 0) & (code < 255) for code in codes]
    distances = {}
    for name, to, here in (("gt_to_pred", 1, 0), ("pred_to_gt", 0, 1)):
        away = distance_to(surfaces[to], spacing_mm)[surfaces[here]]
        order = np.argsort(away, kind="stable")
        # To a tenth of a micron: the float32 of a distance must not fall on the wrong side of the tolerance.
        distances[f"distances_{name}"] = np.round(away[order].astype(np.float64), 4)
        distances[f"surfel_areas_{('gt', 'pred')[here]}"] = areas[codes[here][surfaces[here]]][order]
    dices = [float(compute_surface_dice_at_tolerance(distances, tolerance)) for tolerance in tolerances_mm]
    return {"hd95_mm": float(compute_robust_hausdorff(distances, 95)), **dict(zip(names, dices, strict=True))}


def distance_to(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Measure the distance in mm from each voxel's centre to the nearest one in the mask, float32 (x, y, z).

    Maurer's exact transform (doi:10.1109/TPAMI.2003.1177156), three times as fast as SciPy's.

    Raises:
        ValueError: the mask is empty.
    """
    if not mask.any():
        raise ValueError("mask must hold a voxel to be distant from. Received: an empty mask")
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask).view(np.uint8))
    # SimpleITK counts axes from the last one of the array.
    image.SetSpacing([float(s) for s in reversed(spacing_mm)])
    signed = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    return np.maximum(sitk.GetArrayFromImage(signed), 0)


def bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice]:
    """Find the smallest box (x, y, z) that holds a mask which is not empty."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)


def _neighbour_codes(mask: np.ndarray) -> np.ndarray:
    """Code which of the eight voxels around each corner are in the mask, a bit each: (x+1, y+1, z+1) uint8."""
    padded = np.pad(mask, ((0, 1),) * 3).astype(np.uint8)
    return ndimage.correlate(padded, lookup_tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL, mode="constant", cval=0)
