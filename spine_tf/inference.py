"""A scan through a network: box, slices, batches, and three views fused into one probability volume.

Step t takes the slice at relative position t/(N-1) of each view (`views.n_steps`); what lies between is interpolated;
the three views are averaged; a threshold decides. With isotropic pixels this is done window by window; coarse to fine
does it twice.
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
from spine_tf.windows import box_around, window_boxes

SLAB = 32
"""Planes of the volume that are float at one time."""

FIRST_THRESHOLD = 0.2
"""Probability from which the first look of coarse to fine counts: it may find too much, but should miss nothing."""

FIRST_MIN_SHARE = 0.1
"""What the first look finds is dropped below this share of its largest component: less readily than at the end."""

MARGIN_MM = (30.0, 30.0, 50.0)
"""Around what the first look found, along x, y and z: a spine goes on up and down."""


@dataclass(frozen=True)
class Segmentation:
    """mask: (x, y, z) bool, probability: (x, y, z) float32 in [0, 1], both canonical; seconds: where the time went."""

    mask: np.ndarray
    probability: np.ndarray
    seconds: dict[str, float] = field(default_factory=dict)
    steps: int = 0


def segment(
    volume: Volume,
    engine: Engine,
    *,
    batch_size: int = 8,
    clean_up: bool = True,
    flips: bool = False,
    progress: bool = False,
) -> Segmentation:
    """Segment the spine of one scan.

    Args:
        volume: HU and spacing.
        engine: the network and its pre-processing.
        batch_size: triplets at once.
        clean_up: drop small components (`postprocess.drop_small_components`).
        flips: also segment the mirror image (left and right) and average; at most twice the time.
        progress: show a bar.
    """
    oriented = volume if engine.spec.canonical else volume.as_stored()
    look = _Look(engine, oriented.spacing_mm, batch_size, flips, progress)
    probability = look.at_scan(oriented.hu)
    if not engine.spec.canonical:
        probability = canonical_volume(probability, volume.grid).hu
    start = time.monotonic()
    mask = probability >= engine.spec.threshold
    if clean_up:
        mask = drop_small_components(mask, volume.spacing_mm)
    look.seconds["clean_up"] = time.monotonic() - start
    return Segmentation(mask, probability, {name: round(s, 3) for name, s in look.seconds.items()}, look.steps)


class _Look:
    """One network looking at one scan; adds up the seconds of each phase and the triplets it took."""

    def __init__(self, engine: Engine, spacing_mm, batch_size: int, flips: bool, progress: bool):
        self.engine, self.spacing_mm = engine, spacing_mm
        self.batch_size, self.flips, self.progress = batch_size, flips, progress
        self.seconds = dict.fromkeys(("prepare", "network", "fuse"), 0.0)
        self.steps = 0

    def at_scan(self, hu: np.ndarray) -> np.ndarray:
        """Probability of a whole scan (x, y, z), 0 outside the boxes that are looked at."""
        start, spec = time.monotonic(), self.engine.spec
        box = body_box(hu) if spec.body_box else (slice(None),) * 3
        probability = np.zeros(hu.shape, np.float32)
        # A turned volume is a view along other axes than memory; cutting three views from it wants it straight.
        hu = np.ascontiguousarray(hu[box])
        window_hu = clamp_window(hu, spec)
        self.seconds["prepare"] += time.monotonic() - start
        inner, found = (slice(None),) * 3, None
        if spec.coarse_to_fine and not self._fits(hu.shape):
            coarse = self._at_box(hu, window_hu, spec.coarse_pixel_mm if spec.pixel_mm else None, False)
            found = drop_small_components(coarse >= FIRST_THRESHOLD, self.spacing_mm, FIRST_MIN_SHARE)
            inner = box_around(found, self.spacing_mm, MARGIN_MM) or inner
            found = found[inner] if found.any() else None
        probability[box][inner] = self._at_box(hu[inner], window_hu, spec.pixel_mm, self.flips, found)
        return probability

    def _fits(self, shape) -> bool:
        """Whether isotropic pixels show the whole box in one image: a first look could only lose some of it."""
        spec = self.engine.spec
        longest_mm = max(n * mm for n, mm in zip(shape, self.spacing_mm, strict=True))
        return spec.pixel_mm is not None and longest_mm <= spec.pixel_mm * spec.image_size

    def _at_box(self, hu: np.ndarray, window_hu, pixel_mm: float | None, flips: bool, found=None) -> np.ndarray:
        """Probability of a box (x, y, z) at one pixel size, blended from windows; 0 where no window was looked at.

        With `found`, (x, y, z) bool from a first look, windows in which it found nothing are left out.
        """
        span_mm = None if pixel_mm is None else pixel_mm * self.engine.spec.image_size
        windows = list(window_boxes(hu.shape, self.spacing_mm, span_mm))
        wanted = [w for w in windows if found is None or found[w[0]].any()]
        blended = np.zeros(hu.shape, np.float32)
        for window, (by_x, by_y, by_z) in wanted:
            by_yz = by_y[:, None] * by_z / (2 if flips else 1)
            for planes, values in self._at_window(hu[window], window_hu, pixel_mm):
                blended[window][planes] += by_x[planes, None, None] * by_yz * values
            if flips:
                mirrored = blended[window][::-1]
                for planes, values in self._at_window(hu[window][::-1], window_hu, pixel_mm):
                    mirrored[planes] += by_x[::-1][planes, None, None] * by_yz * values
        if len(wanted) < len(windows):
            _share_out(blended, wanted)
        return blended

    def _at_window(self, hu: np.ndarray, window_hu, pixel_mm: float | None):
        """Probabilities of one window, as slabs (planes of x, float32 (planes, y, z))."""
        spec, clock = self.engine.spec, time.monotonic()
        steps = n_steps(hu.shape, spec, self.spacing_mm, pixel_mm)
        slices = {view: _all_slices(hu, view, window_hu, self.spacing_mm, spec, pixel_mm) for view in VIEWS}
        indices = {view: step_indices(hu.shape[VIEW_AXIS[view]], steps) for view in VIEWS}
        clock = self._clocked("prepare", clock)
        predicted = np.empty((len(VIEWS), steps, spec.image_size, spec.image_size), np.float32)
        starts = range(0, steps, self.batch_size)
        for start in tqdm(starts, desc="segmenting", unit="batch", disable=not self.progress, leave=False):
            batch = slice(start, start + self.batch_size)
            views = (with_neighbours(slices[view], indices[view][batch]) for view in VIEWS)
            predicted[:, batch] = np.moveaxis(self.engine.predict(*views), -1, 0)  # (view, step, H, W)
        self.steps += steps
        clock = self._clocked("network", clock)
        stacks = dict(zip(VIEWS, predicted, strict=True))
        yield from fuse_views(stacks, hu.shape, SLAB, spacing_mm=self.spacing_mm, pixel_mm=pixel_mm)
        self._clocked("fuse", clock)

    def _clocked(self, phase: str, since: float) -> float:
        now = time.monotonic()
        self.seconds[phase] += now - since
        return now


def _share_out(blended: np.ndarray, windows) -> None:
    """Divide by the sum of the blending weights, which is 1 only where no window was left out."""
    total = np.zeros(blended.shape, np.float32)
    for window, (by_x, by_y, by_z) in windows:
        total[window] += by_x[:, None, None] * by_y[:, None] * by_z
    np.divide(blended, total, out=blended, where=total > 0)


def _all_slices(hu, view, window_hu, spacing_mm, spec, pixel_mm) -> np.ndarray:
    """Every slice of a view, (n_slices, H, W); neighbours and steps share them, so each is resized once."""
    n = hu.shape[VIEW_AXIS[view]]
    out = np.empty((n, spec.image_size, spec.image_size), np.float32)
    for start in range(0, n, SLAB):
        planes = np.arange(start, min(start + SLAB, n))
        out[planes] = cut_slices(hu, view, planes, window_hu, spacing_mm, spec, pixel_mm=pixel_mm)
    return out
