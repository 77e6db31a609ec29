"""Prepares a CT and its structure labels for rendering, once: a tissue everywhere, and the depth inside bone.

Labels at 0.7 x 0.7 x 2.5 mm have stairs; here they become smooth surfaces on a grid of 1 mm.
"""

import numpy as np
from scipy import ndimage

from spine_tf.data.synthesis.depths import DEEPEST_MM, bone_depths, in_tenths, interpolate, planes_inside
from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.structures import (
    ARTERIES,
    BOWEL,
    CANAL,
    CORD_END,
    ENHANCING,
    HEART,
    KIDNEYS,
    LUNGS,
    OTHER_BONES,
    Filled,
    bone_owner,
)
from spine_tf.data.synthesis.vertebra_shapes import cut_shape, measure_vertebrae
from spine_tf.scans.labels import TOTALSEGMENTATOR, TOTALSEGMENTATOR_SACRUM

GRID_MM = 1.0
"""Voxel size of prepared maps."""
ARCH = 32
"""Added to the owner of a vertebra where it is arch, not body."""
GAP_MM = 0.5
"""Joint space that is left where the labels of two bones touch."""
_IN_PLANE = ndimage.generate_binary_structure(2, 1)[..., None]
_BONES = (*TOTALSEGMENTATOR, *TOTALSEGMENTATOR_SACRUM, *OTHER_BONES)


def prepare_trunk(hu: np.ndarray, classes: np.ndarray, spacing_mm, first_mm) -> dict[str, np.ndarray]:
    """Prepare everything of a CT with TotalSegmentator's classes that warping and rendering need.

    Args:
        hu: HU (x, y, z) in RAS+ order.
        classes: uint8 on the same grid.
        spacing_mm: voxel sizes (3,).
        first_mm: (3,) where the first voxel lies.

    Returns:
        `structure` uint8, `owner` uint8 (a vertebra's arch has ARCH added) and `depth` int8 (tenths of mm), all
        (x', y', z') at GRID_MM; `first_mm` (3,); and what `prepare_vertebrae` returns.
    """
    body = body_mask(hu, spacing_mm)
    across = ndimage.find_objects((body | (hu > -600)).any(axis=2).astype(np.uint8))[0]
    box = (*(slice(max(0, side.start - 2), side.stop + 2) for side in across), slice(0, hu.shape[2]))
    hu, classes, body = hu[box], classes[box], body[box]
    first = np.add(first_mm, np.multiply([side.start for side in box], spacing_mm))
    at = [np.arange(int((n - 1) * s / GRID_MM) + 1) * GRID_MM / s for n, s in zip(hu.shape, spacing_mm, strict=True)]
    structure = _smooth_codes(fill_structures(hu, classes, body, spacing_mm), at)
    owners = np.array([bone_owner(label) if label in _BONES else 0 for label in range(256)], np.uint8)
    bones, shapes = _bones_and_shapes(owners[classes], spacing_mm, first)
    return {"structure": structure, "first_mm": first} | bones | shapes


def prepare_vertebrae(labels: np.ndarray, spacing_mm, first_mm) -> dict[str, np.ndarray]:
    """Prepare the vertebrae of a label map, each in its own frame.

    Args:
        labels: VerSe ids, uint8 (x, y, z) in RAS+ order.
        spacing_mm: voxel sizes (3,).
        first_mm: (3,) where the first voxel lies.

    Returns:
        `vertebra_labels` (n,), from the head down, `vertebra_centres` (n, 3) and `vertebra_sizes` (n, 4: width, depth,
        height, rear) in mm, `vertebra_rotations` (n, 3, 3); `shape_<label>` of those that are whole, see `cut_shape`,
        int8 (tenths of mm).
    """
    return _bones_and_shapes(labels, spacing_mm, np.asarray(first_mm, float))[1]


def _bones_and_shapes(owners, spacing_mm, first):
    """Owner and depth of all bone on the grid of GRID_MM, and what `prepare_vertebrae` returns."""
    shape = tuple(int((n - 1) * s / GRID_MM) + 1 for n, s in zip(owners.shape, spacing_mm, strict=True))
    frame = Frame(shape, (GRID_MM,) * 3, tuple(float(v) for v in first))
    bones, own = Bones(frame), {}
    bones.depth_mm[:] = -DEEPEST_MM
    for label, place, depth in bone_depths(owners, spacing_mm, frame):
        bones.add(place, depth, label, gap_mm=GAP_MM)
        own[label] = (place, depth)
    vertebrae = measure_vertebrae(bones.owner, bones.depth_mm, frame)
    shapes = {
        "vertebra_labels": np.array([one.label for one in vertebrae]),
        "vertebra_centres": np.array([one.place.centre_mm for one in vertebrae]),
        "vertebra_rotations": np.array([one.place.rotation for one in vertebrae]),
        "vertebra_sizes": np.array([(one.width, one.depth, one.height, one.rear) for one in vertebrae]),
    }
    for one in vertebrae:
        place, depth = own[one.label]
        part = frame.part(place)
        if one.whole:
            shapes[f"shape_{one.label}"] = in_tenths(cut_shape(one, depth, part, frame))
        mine = bones.owner[place] == one.label
        points = part.origin_mm + np.argwhere(mine) * GRID_MM
        bones.owner[place][mine] += np.where(one.arch(points), ARCH, 0).astype(np.uint8)
    return {"owner": bones.owner, "depth": in_tenths(bones.depth_mm)}, shapes


def body_mask(hu: np.ndarray, spacing_mm) -> np.ndarray:
    """Find the body with its lungs and bowel gas, without table and clothes.

    Args:
        hu: HU (x, y, z).
        spacing_mm: voxel sizes (3,).

    Returns:
        bool (x, y, z).
    """
    wide = [2 * round(1.75 / spacing) + 1 for spacing in spacing_mm[:2]]
    solid = ndimage.binary_opening(hu > -300, np.ones((*wide, 1), bool))
    parts, count = ndimage.label(solid)
    if count == 0:
        return solid
    body = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
    return body


def fill_structures(hu: np.ndarray, classes: np.ndarray, body: np.ndarray, spacing_mm) -> np.ndarray:
    """Give every voxel a structure code: its class, and where that is 0 or too coarse, what the HU tell.

    Bone voxels get the code of what lies nearest: bone is kept beside the codes, with a depth.

    Args:
        hu: HU (x, y, z).
        classes: TotalSegmentator's, uint8 (x, y, z).
        body: bool (x, y, z), see `body_mask`.
        spacing_mm: voxel sizes (3,).

    Returns:
        uint8 (x, y, z): TotalSegmentator's classes without bones, and codes of `Filled`.
    """
    calm = ndimage.gaussian_filter(hu.astype(np.float32), (0.8, 0.8, 0))
    bone, open_ = np.isin(classes, _BONES), (classes == 0) & body
    codes = classes.copy()
    codes[open_] = np.where(calm[open_] < -25, Filled.FAT, Filled.SOFT)
    under = ndimage.distance_transform_edt(body, spacing_mm)
    codes[open_ & (calm >= -25) & (under < _wall_mm(classes, body, under))] = Filled.MUSCLE
    codes[_discs(classes, calm) & open_] = Filled.DISC
    lung = np.isin(classes, LUNGS)
    near_lung = _grown(lung, 9)
    codes[open_ & (calm < -350)] = Filled.BOWEL_GAS
    codes[open_ & (calm < -500) & near_lung] = LUNGS[0]
    codes[lung & (hu > -450)] = Filled.LUNG_VESSEL
    bowel = np.isin(classes, BOWEL)
    codes[bowel & (calm < -300)] = Filled.BOWEL_GAS
    codes[bowel & (calm >= -300) & (calm < -40)] = Filled.STOOL
    arteries, enhancing = np.isin(classes, ARTERIES), np.isin(classes, ENHANCING)
    wall = max(1, round(1.5 / spacing_mm[0]))
    inner = ndimage.binary_erosion(arteries, _IN_PLANE, iterations=wall, border_value=1)
    codes[arteries & ~inner] = Filled.ARTERY_WALL
    # The labelled CT has contrast in heart and kidneys; it tells blood from muscle and cortex from medulla.
    codes[np.isin(classes, HEART) & (calm < 210)] = Filled.MYOCARDIUM
    codes[np.isin(classes, KIDNEYS) & (calm < 170)] = Filled.MEDULLA
    codes[_cord(classes, spacing_mm)] = Filled.CORD
    codes[(under > 0) & (under < 2.2) & (classes == 0)] = Filled.SKIN
    outside = ~body & (classes == 0)
    codes[outside] = np.where(hu[outside] > -600, Filled.TABLE, Filled.AIR)
    # What the labels leave of a bone's rim is no tissue of its own; bright things further away are.
    bright = open_ & (calm > 140)
    rim = bright & _grown(bone, 9)
    blood = bright & ~rim & _grown(enhancing, 9)
    codes[bright & ~rim] = Filled.BRIGHT
    codes[blood] = _nearest_code(codes, enhancing, spacing_mm)[blood]
    return _nearest_code(codes, ~(bone | rim), spacing_mm)


def _grown(mask, voxels) -> np.ndarray:
    """A bool map (x, y, z) grown by a box of so many voxels in plane, half as many slices."""
    return ndimage.maximum_filter(mask.view(np.uint8), (voxels, voxels, voxels // 4 * 2 + 1)).view(bool)


def _nearest_code(codes, known, spacing_mm) -> np.ndarray:
    """Every voxel's code, or where it is not `known` that of the nearest voxel where it is."""
    nearest = ndimage.distance_transform_edt(~known, spacing_mm, return_distances=False, return_indices=True)
    return codes[tuple(nearest)]


def _wall_mm(classes, body, under) -> np.ndarray:
    """How thick the muscular wall is taken to be, (1, 1, z): as far in as the ribs or the back muscles lie."""
    wall = np.isin(classes, (*range(92, 116), 86, 87)) & body
    counts = wall.sum(axis=(0, 1))
    depth = np.where(counts > 0, (under * wall).sum(axis=(0, 1)) / np.maximum(counts, 1) * 1.4 + 8, 30)
    return depth[None, None, :]


def _discs(classes, calm) -> np.ndarray:
    """Between two vertebrae, in front of the canal: a vertebra within four slices above and below, bool (x, y, z)."""
    spine = np.isin(classes, (*TOTALSEGMENTATOR, *TOTALSEGMENTATOR_SACRUM))
    above, below = np.zeros_like(spine), np.zeros_like(spine)
    for apart in range(1, 5):
        above[:, :, :-apart] |= spine[:, :, apart:]
        below[:, :, apart:] |= spine[:, :, :-apart]
    rows = np.arange(classes.shape[1])[None, :, None]
    canal = classes == CANAL
    front = np.where(canal.any(axis=(0, 1)), np.where(canal, rows, -1).max(axis=(0, 1)), classes.shape[1])
    return above & below & (rows > front[None, None, :] + 1) & (calm > -60) & (calm < 250)


def _cord(classes, spacing_mm) -> np.ndarray:
    """The cord within the labelled canal, down to the conus, bool (x, y, z)."""
    inner = np.zeros(classes.shape, bool)
    found = ndimage.find_objects((classes == CANAL).view(np.uint8))
    if not found:
        return inner
    box = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in found[0])
    inner[box] = ndimage.distance_transform_edt(classes[box] == CANAL, spacing_mm) > 2.8
    lowest = np.flatnonzero((classes == CORD_END).any(axis=(0, 1)))
    if len(lowest):
        inner[:, :, : int(lowest.mean())] = False
    return inner


def _smooth_codes(codes, at) -> np.ndarray:
    """The codes on the grid `at`: each voxel takes the code with the largest share around it."""
    shape = tuple(len(one) for one in at)
    best, chosen = np.full(shape, 0.02, np.float32), np.full(shape, Filled.AIR, np.uint8)
    for code, found in enumerate(ndimage.find_objects(codes), 1):
        if found is None or code == Filled.AIR:
            continue
        box = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in found)
        place, inner = planes_inside(box, at)
        share = interpolate((codes[box] == code).astype(np.float32), inner)
        share = ndimage.gaussian_filter(share, 0.45)
        wins = share > best[place]
        best[place][wins] = share[wins]
        chosen[place][wins] = code
    air = ndimage.gaussian_filter(interpolate((codes == Filled.AIR).astype(np.float32), at), 0.45)
    chosen[air > best] = Filled.AIR
    return chosen
