"""Makes synthetic CTs: label maps with randomised shape and appearance, after SynthSeg (Billot et al., 2023).

A volume is a phantom, a warped chest with all its structures, or a phantom's trunk with real vertebrae in it. Unlike
SynthSeg's, most have the HU of real tissue; one in seven has contrasts that no scanner gives, so that shape is learnt.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spine_tf.data.synthesis.label_maps import LabelMap, find_label_maps, open_label_map
from spine_tf.data.synthesis.phantom import Phantom, make_phantom
from spine_tf.data.synthesis.phantom.physics import draw_appearance, render
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.tissue import RIM_MM, Scene
from spine_tf.data.synthesis.scanner import NO_DATA_HU, apply_scanner, make_wild, roughen_bone, vary_bone
from spine_tf.data.synthesis.transplanting import transplant
from spine_tf.data.synthesis.trunk_box import draw_trunk_box
from spine_tf.data.synthesis.voxel_parts import Parts, choose_parts, finer_frame, majority_of_parts, mean_of_parts
from spine_tf.data.synthesis.warping import add_screws, warp

__all__ = ["LabelMap", "find_label_maps", "make_synthetic"]

TRUNK_SHARE = 0.5
"""Of the volumes from label maps, how many are warped trunks; the others have real vertebrae in a phantom."""
WILD_SHARE = 0.15
VERSE_RIM_MM = 0.45
"""`tissue.RIM_MM` for masks that were drawn or corrected by hand, which take in a little more: a guess."""


def make_synthetic(seed: int, maps: Sequence[LabelMap] = (), phantom_share: float = 0.5) -> Phantom:
    """Make one synthetic scan; the same seed and maps give the same bytes.

    Args:
        seed: at least 0.
        maps: see `find_label_maps`; none: always a phantom.
        phantom_share: share of the scans that are `make_phantom(seed)`.

    Returns:
        HU, labels and what was drawn (`description["kind"]`, unless it is a phantom); at most some 4.5 million voxels.

    Raises:
        ValueError: a share outside 0..1.

    Example:
        >>> scan = make_synthetic(38)
        >>> scan.hu.shape, scan.hu.dtype.name, scan.description["region"]
        ((72, 72, 28), 'int16', 'thoracolumbar')
    """
    if not 0 <= phantom_share <= 1:
        raise ValueError(f"phantom_share must lie between 0 and 1. Received: {phantom_share}")
    rng = np.random.default_rng([seed, 3])
    if not maps or rng.random() < phantom_share:
        return make_phantom(seed)
    trunks = [one for one in maps if one.trunk]
    if trunks and rng.random() < TRUNK_SHARE:
        return _warped_trunk(seed, trunks[int(rng.integers(len(trunks)))], rng)
    return _real_vertebrae(seed, maps[int(rng.integers(len(maps)))], rng)


def _warped_trunk(seed: int, chosen: LabelMap, rng: np.random.Generator) -> Phantom:
    """A scan of a whole label map as another body."""
    arrays = open_label_map(chosen.path)
    move, frame, told = draw_trunk_box(rng, arrays)
    parts = choose_parts(frame)
    calcified = float(rng.random() if rng.random() < 0.5 else 0.0)
    warped = warp(arrays, move, finer_frame(frame, parts), rng, calcified, rough_mm=float(rng.uniform(0.1, 0.5)))
    labels, screws = [int(label) for label in arrays["vertebra_labels"]], []
    if rng.random() < 0.08:
        start = int(rng.integers(0, len(labels) - 1))
        screws = labels[start : start + int(rng.integers(2, 6))]
        add_screws(warped, arrays, move, screws)
    scene = replace(warped.scene, trabecular=_draw_density(rng, labels))
    told = {"kind": "warped trunk", "map": chosen.name, "screws": screws} | told | {
        "calcified": round(calcified, 2),
        "fractures": [[label, round(loss, 2), behind] for label, loss, behind in move.fractures],
    }  # fmt: skip
    return _scan(seed, scene, warped.labels, warped.places, frame, parts, told, rng)


def _real_vertebrae(seed: int, chosen: LabelMap, rng: np.random.Generator) -> Phantom:
    """A scan of a phantom with the vertebrae of a label map."""
    made = transplant(open_label_map(chosen.path), RIM_MM if chosen.trunk else VERSE_RIM_MM, rng)
    told = {"kind": "real vertebrae", "map": chosen.name} | made.description
    return _scan(seed, made.scene, made.labels, made.places, made.frame, made.parts, told, rng)


def _scan(seed, scene: Scene, labels, places, frame: Frame, parts: Parts, told: dict, rng) -> Phantom:
    """Render a scene whose voxels are parts of the scan's, and put them together."""
    appearance, wild = draw_appearance(rng), bool(rng.random() < WILD_SHARE)
    appearance = make_wild(appearance, rng) if wild else vary_bone(appearance, rng)
    hu = render(scene, appearance, rng).astype(np.float32)
    told = told | roughen_bone(hu, scene, appearance, rng)
    hu, labels = mean_of_parts(hu, parts), majority_of_parts(labels, parts)
    # Where rendering left a scan without data, at its corners or an edge, it has no truth either.
    labels = np.where(hu <= NO_DATA_HU, 0, labels).astype(np.uint8)
    hu, drawn = apply_scanner(hu, frame, wild, rng)
    voxels = ((label, frame.voxel(place)) for label, place in sorted(places.items()))
    centroids = {label: tuple(at.round(1).tolist()) for label, at in voxels if at is not None}
    more = {"cortical_hu": round(appearance.cortical_hu), "wild": wild, "parts": list(parts)}
    told = told | drawn | appearance.describe() | more
    return Phantom(np.rint(hu).astype(np.int16), labels, frame.affine, centroids, seed, told)


def _draw_density(rng, labels) -> dict[int, float]:
    """A factor on the spongy bone of each vertebra; now and then one is sclerotic or dissolved."""
    density = {label: float(rng.normal(1, 0.08)) for label in labels}
    if rng.random() < 0.15:
        odd = labels[int(rng.integers(len(labels)))]
        density[odd] = float(rng.choice([rng.uniform(1.5, 3.5), rng.uniform(0.2, 0.6)]))
    return density
