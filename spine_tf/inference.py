"""A scan through a network: box, slices, batches, and three views fused into one probability volume.

Step t takes the slice at relative position t/(N-1) of each view (`views.n_steps`); what lies between is interpolated;
the three views are averaged; a threshold decides.
"""

import time
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from spine_tf.config import VIEWS
from spine_tf.engines import Engine
from spine_tf.postprocess import drop_small_components
from spine_tf.preprocess import body_box, clamp_window
from spine_tf.scans import Volume
from spine_tf.scans.volume import canonical_volume
from spine_tf.views import VIEW_AXIS, cut_slices, fuse_views, n_steps, step_indices, with_neighbours

SLAB = 32
"""Planes of the volume that are float at one time."""


@dataclass(frozen=True)
class Segmentation:
    """mask: (x, y, z) bool, probability: (x, y, z) float32 in [0, 1], both canonical; seconds: where the time went."""

    mask: np.ndarray
    probability: np.ndarray
    seconds: dict[str, float] = field(default_factory=dict)
    steps: int = 0


def segment(
    volume: Volume, engine: Engine, *, batch_size: int = 8, clean_up: bool = True, progress: bool = False
) -> Segmentation:
    """Segment the spine of one scan.

    Args:
        volume: HU and spacing.
        engine: the network and its pre-processing.
        batch_size: triplets at once.
        clean_up: drop small components (`postprocess.drop_small_components`).
        progress: show a bar.
    """
    oriented = volume if engine.spec.canonical else volume.as_stored()
    probability, seconds, steps = _probability(oriented, engine, batch_size, progress)
    if not engine.spec.canonical:
        probability = canonical_volume(probability, volume.grid).hu
    start = time.monotonic()
    mask = probability >= engine.spec.threshold
    if clean_up:
        mask = drop_small_components(mask)
    seconds["clean_up"] = time.monotonic() - start
    return Segmentation(mask, probability, {name: round(s, 3) for name, s in seconds.items()}, steps)


def _probability(volume: Volume, engine: Engine, batch_size: int, progress: bool):
    """Probability on the volume's grid, seconds per phase, number of steps."""
    seconds, clock = {}, time.monotonic()
    spec = engine.spec
    box = body_box(volume.hu) if spec.body_box else (slice(None),) * 3
    # A turned volume is a view along other axes than memory; cutting three views from it wants it straight.
    hu = np.ascontiguousarray(volume.hu[box])
    window_hu = clamp_window(hu, spec)
    steps = n_steps(hu.shape, spec)
    slices = {view: _all_slices(hu, view, window_hu, volume.spacing_mm, spec) for view in VIEWS}
    indices = {view: step_indices(hu.shape[VIEW_AXIS[view]], steps) for view in VIEWS}
    seconds["prepare"], clock = time.monotonic() - clock, time.monotonic()

    predicted = np.empty((len(VIEWS), steps, spec.image_size, spec.image_size), np.float32)
    for start in tqdm(range(0, steps, batch_size), desc="segmenting", unit="batch", disable=not progress, leave=False):
        batch = slice(start, start + batch_size)
        masks = engine.predict(*(with_neighbours(slices[view], indices[view][batch]) for view in VIEWS))
        predicted[:, batch] = np.moveaxis(masks, -1, 0)  # (view, step, H, W)
    seconds["network"], clock = time.monotonic() - clock, time.monotonic()

    probability = np.zeros(volume.hu.shape, np.float32)
    inside = probability[box]
    for planes, values in fuse_views(dict(zip(VIEWS, predicted, strict=True)), hu.shape, SLAB):
        inside[planes] = values
    seconds["fuse"] = time.monotonic() - clock
    return probability, seconds, steps


def _all_slices(hu, view, window_hu, spacing_mm, spec) -> np.ndarray:
    """Every slice of a view, (n_slices, H, W); neighbours and steps share them, so each is resized once."""
    n = hu.shape[VIEW_AXIS[view]]
    out = np.empty((n, spec.image_size, spec.image_size), np.float32)
    for start in range(0, n, SLAB):
        planes = np.arange(start, min(start + SLAB, n))
        out[planes] = cut_slices(hu, view, planes, window_hu, spacing_mm, spec)
    return out
