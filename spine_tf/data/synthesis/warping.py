"""Warps one body's label map into another body: turned, stretched, bent, with fractures, on a drawn grid."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from spine_tf.data.synthesis.depths import TENTHS
from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.shapes import Frame, capsule, evaluate, rotation, shifted, tube
from spine_tf.data.synthesis.phantom.smoothing import smooth_noise
from spine_tf.data.synthesis.phantom.tissue import RIM_MM, Scene, Tissue
from spine_tf.data.synthesis.preparing import ARCH, GRID_MM
from spine_tf.data.synthesis.structures import Filled, tissue_table
from spine_tf.scans.labels import LAST_LABEL

_NEAR_TENTHS = -50


@dataclass(frozen=True)
class Move:
    """Describes the way from the new body (mm, its spine's middle at 0) to the map's (mm): affine, then shifts."""

    matrix: np.ndarray
    """(3, 3), new to old."""
    middle_mm: np.ndarray
    """(3,), where 0 of the new body lies in the map."""
    wave_mm: float
    """Strength of the smooth deformation over some 60 mm; that over 25 mm has a fifth of it."""
    bend_mm: tuple[float, float]
    """How far the spine bends to the side and to the front, over some 110 mm of height."""
    fractures: tuple[tuple[int, float, float], ...] = ()
    """Label of a pressed vertebra, share of its height lost in front, and the share of that lost at the back."""

    @property
    def growth(self) -> float:
        """How many times as large the new body is, in length."""
        return float(abs(np.linalg.det(self.matrix)) ** (-1 / 3))


@dataclass(frozen=True)
class Warped:
    """Holds a warped label map as a scene, with its truth."""

    scene: Scene
    labels: np.ndarray
    """uint8 (x, y, z), VerSe ids and 26."""
    places: dict[int, np.ndarray]
    """VerSe id to the centre of the body in mm of the scene's frame, inside the scan or not."""


def draw_move(rng: np.random.Generator, arrays: dict[str, np.ndarray], middle_mm, wide: bool) -> Move:
    """Draw how a body differs from the map's.

    Args:
        rng: draws it.
        arrays: see `preparing.prepare_trunk`.
        middle_mm: (3,), the point of the map that becomes 0.
        wide: the whole trunk is scanned: it lies straighter, so that the map's ends stay outside the scan.
    """
    size = rng.uniform(0.87, 1.18) * rng.uniform(0.95, 1.05, 3)
    lean, turn = (4, 12) if wide else (10, 12)
    angles = np.radians(rng.uniform(-1, 1, 3) * (lean, lean, turn))
    shear = np.eye(3) + rng.normal(0, 0.025, (3, 3)) * (1 - np.eye(3))
    if rng.random() < 0.12:
        # A tilted gantry whose slices were stacked as if it stood upright.
        shear[1, 2] += np.tan(np.radians(rng.uniform(-16, 16)))
    forward = shear @ rotation(*angles) @ np.diag(size)
    if rng.random() < 0.5:
        forward[0] *= -1
    fractures = []
    if rng.random() < 0.25:
        for label in rng.choice(arrays["vertebra_labels"], size=int(rng.integers(1, 3)), replace=False):
            fractures.append((int(label), float(rng.uniform(0.15, 0.5)), float(rng.choice([0.1, 0.4, 1.0]))))
    bend = (float(rng.normal(0, 7)), float(rng.normal(0, 9)))
    wave_mm = rng.uniform(0.5, 6.0)
    return Move(np.linalg.inv(forward), np.asarray(middle_mm, float), wave_mm, bend, tuple(sorted(fractures)))


def warp(
    arrays: dict[str, np.ndarray], move: Move, frame: Frame, rng: np.random.Generator, calcified=0.0, rough_mm=0.3
) -> Warped:
    """Build the scene of a moved map on a grid.

    Args:
        arrays: see `preparing.prepare_trunk`.
        move: see `draw_move`.
        frame: of the new body, in its own mm.
        rng: draws waves, bends and what fills the bowel.
        calcified: 0..1, how much of the arteries' walls is calcium.
        rough_mm: how uneven the bones' surface becomes.
    """
    at = _source_voxels(arrays, move, frame, rng)
    counts = arrays["structure"].shape
    # A random shift within the voxel: edges get the share of each tissue that they have, not the map's stairs.
    near = [np.rint(one + rng.random(one.shape, np.float32) - np.float32(0.5)).astype(np.int32) for one in at]
    beside = (near[0] < 0) | (near[0] >= counts[0]) | (near[1] < 0) | (near[1] >= counts[1])
    for one, count in zip(near, counts, strict=True):
        np.clip(one, 0, count - 1, out=one)
    flat = (near[0] * counts[1] + near[1]) * counts[2] + near[2]
    del near
    codes = arrays["structure"].ravel()[flat]
    codes[beside] = Filled.AIR
    tissue = tissue_table(rng)[codes]
    if calcified > 0:
        patches = smooth_noise(rng, frame, 9.0)
        tissue[(codes == Filled.ARTERY_WALL) & (patches > 2.6 - 2.2 * calcified)] = Tissue.CALCIUM
    bones = Bones(frame)
    bony = (arrays["depth"].ravel()[flat] > _NEAR_TENTHS) & ~beside
    exact = np.stack([one[bony] for one in at])
    depth = ndimage.map_coordinates(arrays["depth"], exact, output=np.float32, order=1, mode="nearest", prefilter=False)
    depth = depth * np.float32(move.growth / TENTHS)
    depth += np.float32(rough_mm) * smooth_noise(rng, frame, 5.0)[bony]
    last = np.reshape(counts, (3, 1)) - 1
    owner = arrays["owner"][tuple(np.clip(np.rint(exact).astype(np.int32), 0, last))]
    arch = (owner > ARCH) & (owner <= ARCH + LAST_LABEL)
    owner = np.where(arch, owner - ARCH, owner)
    bones.depth_mm[bony], bones.owner[bony], bones.arch[bony] = depth - np.float32(RIM_MM), owner, arch
    labels = np.zeros(frame.shape, np.uint8)
    labels[bony] = np.where((depth > 0) & (owner <= LAST_LABEL), owner, 0)
    scene = Scene(frame, tissue, bones, np.zeros(frame.shape, bool), {})
    return Warped(scene, labels, _places(arrays, move, frame, at))


def add_screws(warped: Warped, arrays: dict[str, np.ndarray], move: Move, labels: list[int]) -> None:
    """Add pedicle screws and a rod on each side to the scene's metal, in place.

    Args:
        warped: see `warp`.
        arrays: see `preparing.prepare_trunk`.
        move: the one that `warped` was made with.
        labels: VerSe ids of the vertebrae with screws, from the head down.
    """
    frame, metal, forward = warped.scene.frame, warped.scene.metal, np.linalg.inv(move.matrix)
    rows = [int(np.flatnonzero(arrays["vertebra_labels"] == label)[0]) for label in labels]
    for side in (-1, 1):
        heads, shapes = [], []
        for row, label in zip(rows, labels, strict=True):
            width, depth, height, rear = arrays["vertebra_sizes"][row]
            own = np.array([
                (0.22 * side * width, 0.2 * depth, 0.1 * height),
                (0.36 * side * width, -rear, 0.15 * height),
                (0.45 * side * width, -rear - 0.7 * width, 0.15 * height),
            ])  # fmt: skip
            tip, pedicle, head = warped.places[label] + own @ arrays["vertebra_rotations"][row].T @ forward.T
            shapes += [*tube([tip, pedicle, head], [2.3, 2.6, 2.9]), capsule(head, shifted(head, 0, -7, 0), 5.5, 5)]
            heads.append(head)
        for shape in shapes + tube(np.add(heads, (0, -3, 0)), 2.9):
            box, inside = evaluate(shape, frame)
            metal[box] |= inside > 0


def _source_voxels(arrays, move: Move, frame: Frame, rng) -> list[np.ndarray]:
    """For every voxel of the frame where it comes from, in voxels of the map: x, y, z, float32 each."""
    axes = [frame.axis_mm(axis) for axis in range(3)]
    waves = (np.float32(move.wave_mm), np.float32(0.2 * move.wave_mm))
    source = []
    for row, middle in zip(move.matrix.astype(np.float32), move.middle_mm, strict=True):
        mm = np.float32(middle) + row[0] * axes[0] + row[1] * axes[1] + row[2] * axes[2]
        for strength, scale in zip(waves, (60.0, 25.0), strict=True):
            mm += strength * smooth_noise(rng, frame, scale)
        source.append(mm)
    for axis, strength in enumerate(move.bend_mm):
        line = Frame((1, 1, frame.shape[2]), frame.spacing_mm, frame.origin_mm)
        source[axis] += np.float32(strength) * smooth_noise(rng, line, 110.0)
    for fracture in move.fractures:
        _press(arrays, fracture, source)
    return [
        (mm - np.float32(first)) / np.float32(GRID_MM) for mm, first in zip(source, arrays["first_mm"], strict=True)
    ]


def _press(arrays, fracture, source) -> None:
    """Take height from one vertebra; what lies above it sinks, more so in front."""
    label, loss, behind = fracture
    row = int(np.flatnonzero(arrays["vertebra_labels"] == label)[0])
    centre, (_, depth, height, rear) = arrays["vertebra_centres"][row], arrays["vertebra_sizes"][row]
    y, z = source[1], source[2]
    ahead = np.clip((y - np.float32(centre[1] - rear)) / np.float32(depth), 0, 1)
    lost = np.float32(loss) * (np.float32(behind) + np.float32(1 - behind) * ahead)
    floor = np.float32(centre[2] - height / 2)
    within = np.clip((z - floor) / (np.float32(height) * (1 - lost)), 0, 1)
    source[2] = z + within * np.float32(height) * lost


def _places(arrays, move: Move, frame: Frame, at) -> dict[int, np.ndarray]:
    """Centres of the bodies in mm of the frame: the affine map turned round, then what the rest shifts taken off."""
    back, places = np.linalg.inv(move.matrix), {}
    for label, centre in zip(arrays["vertebra_labels"], arrays["vertebra_centres"], strict=True):
        target = (centre - arrays["first_mm"]) / GRID_MM
        point = back @ (centre - move.middle_mm)
        for _ in range(12):
            voxel = np.rint((point - frame.origin_mm) / frame.spacing_mm).astype(int)
            voxel = tuple(np.clip(voxel, 0, np.array(frame.shape) - 1))
            here = np.array([one[voxel] for one in at])
            corner = np.array(frame.origin_mm) + np.multiply(voxel, frame.spacing_mm)
            new = corner + back @ ((target - here) * GRID_MM)
            point = (point + new) / 2
        places[int(label)] = point
    return places
