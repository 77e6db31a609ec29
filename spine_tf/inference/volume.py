"""A scan through a network: box, slices, batches, and three views fused into one probability volume.

Step t takes the slice at relative position t/(N-1) of each view (`views.n_steps`); what lies between is interpolated;
the three views are averaged; a threshold decides. With isotropic pixels this is done window by window; coarse to fine
does it twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from spine_tf.config import PREDICTION_BATCH, VIEWS, PreprocessSpec
from spine_tf.inference.engines import Engine
from spine_tf.scans import Volume
from spine_tf.scans.volume import canonical_volume
from spine_tf.views.backend import NumpyRuntime
from spine_tf.views.components import drop_small_components
from spine_tf.views.preprocess import body_box, clamp_window
from spine_tf.views.slices import VIEW_AXIS, cut_slices, fuse_views, longest_mm, n_steps, step_indices, with_neighbours
from spine_tf.views.tiles import box_around, window_axes, window_count, window_of

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
    batch_size: int = PREDICTION_BATCH,
    clean_up: bool = True,
    flips: bool = False,
    fast: bool = False,
    progress: bool = False,
) -> Segmentation:
    """Segment the spine of one scan.

    Args:
        volume: HU and spacing.
        engine: the network and its pre-processing.
        batch_size: triplets at once.
        clean_up: drop small components (`postprocess.drop_small_components`).
        flips: also segment the mirror image (left and right) and average; at most twice the time.
        fast: take every second step and interpolate; half the time of the network.
        progress: show a bar.
    """
    rt = NumpyRuntime(progress, engine.at_once)
    if engine.volume is not None and engine.spec.canonical and not (flips or fast):
        with rt.phase("server"):
            probability, mask = engine.volume(volume.hu, volume.spacing_mm)
    else:
        oriented = volume if engine.spec.canonical else volume.as_stored()
        # As a server gets them: float32.
        spacing_mm = tuple(float(mm) for mm in np.float32(oriented.spacing_mm))
        look = Look(engine.predict, engine.spec, spacing_mm, batch_size, flips, fast)
        probability = look.at_scan(oriented.hu, rt)
        if not engine.spec.canonical:
            probability = canonical_volume(probability, volume.grid).hu
        mask = probability >= engine.spec.threshold
    with rt.phase("clean_up"):
        if clean_up:
            mask = drop_small_components(mask, volume.spacing_mm)
    return Segmentation(mask, probability, {name: round(s, 3) for name, s in rt.seconds.items()}, rt.steps)


def prediction_triplets(volume: Volume, spec: PreprocessSpec, steps: int) -> tuple[np.ndarray, ...]:
    """Triplets of a scan as prediction cuts them, without windows or boxes: three of (steps, H, W, 3) float32."""
    window_hu, views = clamp_window(volume.hu, spec), []
    for view in VIEWS:
        planes = np.arange(volume.hu.shape[VIEW_AXIS[view]])
        slices = cut_slices(volume.hu, view, planes, window_hu, volume.spacing_mm, spec, pixel_mm=spec.pixel_mm)
        views.append(with_neighbours(slices, step_indices(len(planes), steps)))
    return tuple(views)


@dataclass(frozen=True)
class Look:
    """A network looking at scans of one voxel size. Its methods run on any runtime (`views/backend.py`)."""

    predict: Callable
    """As `Engine.predict`."""
    spec: PreprocessSpec
    spacing_mm: tuple
    """Of the volume's axes, floats (or float64 scalars of a graph)."""
    batch_size: int = PREDICTION_BATCH
    flips: bool = False
    fast: bool = False

    def at_scan(self, hu, rt):
        """Probability of a whole scan (x, y, z), 0 outside the boxes that are looked at."""
        spec, xp, shape = self.spec, rt.xp, rt.xp.shape(hu)
        with rt.phase("prepare"):
            box = body_box(hu, xp) if spec.body_box else (slice(None),) * 3
            # A turned volume is a view along other axes than memory; cutting three views from it wants it straight.
            hu = rt.straight(hu[box])
            window_hu = clamp_window(hu, spec, xp)
        inner, found = (slice(None),) * 3, None
        if spec.coarse_to_fine:
            found = rt.cond(
                self._fits(xp.shape(hu), xp),
                lambda: xp.ones(xp.shape(hu), dtype="bool"),
                lambda: self._first_look(hu, window_hu, rt),
            )
            inner = box_around(found, self.spacing_mm, MARGIN_MM, rt)
            found = found[inner]
        probability = self._at_box(hu[inner], window_hu, spec.pixel_mm, self.flips, found, rt)
        return rt.place(rt.place(probability, inner, xp.shape(hu)), box, shape)

    def _fits(self, shape, xp):
        """Whether isotropic pixels show the whole box in one image: a first look could only lose some of it."""
        spec = self.spec
        return spec.pixel_mm is not None and longest_mm(shape, self.spacing_mm, xp) <= spec.pixel_mm * spec.image_size

    def _first_look(self, hu, window_hu, rt):
        """Where a first look at a whole box finds a spine, (x, y, z) bool; everywhere, where it finds nothing."""
        spec, xp = self.spec, rt.xp
        coarse = self._at_box(hu, window_hu, spec.coarse_pixel_mm if spec.pixel_mm else None, False, None, rt)
        found = drop_small_components(coarse >= FIRST_THRESHOLD, self.spacing_mm, FIRST_MIN_SHARE, rt=rt)
        return xp.logical_or(found, xp.logical_not(xp.any(found)))

    def _at_box(self, hu, window_hu, pixel_mm: float | None, flips: bool, found, rt):
        """Probability of a box (x, y, z) at one pixel size, blended from windows; 0 where no window was looked at.

        With `found`, (x, y, z) bool from a first look, windows in which it found nothing are left out.
        """
        xp, shape = rt.xp, rt.xp.shape(hu)
        axes = window_axes(shape, self.spacing_mm, None if pixel_mm is None else pixel_mm * self.spec.image_size, rt)

        def look(window, weights, state):
            blended, total = state
            values = self._at_window(hu[window], window_hu, pixel_mm, rt)
            if flips:
                mirrored = self._at_window(rt.straight(xp.flip(hu[window], axis=0)), window_hu, pixel_mm, rt)
                values = (values + xp.flip(mirrored, axis=0)) / 2
            by_x, by_y, by_z = weights
            weight = by_x[:, None, None] * (by_y[:, None] * by_z)
            return rt.add(blended, window, values * weight), rt.add(total, window, weight)

        def step(number, state):
            window, weights = window_of(axes, number, rt)
            wanted = True if found is None else xp.any(found[window])
            return rt.cond(wanted, lambda: look(window, weights, state), lambda: state)

        zeros = tuple(xp.zeros(shape, dtype="float32") for _ in range(2))
        blended, total = rt.fold(step, window_count(axes, rt), zeros)
        # The weights sum to 1 only where no window was left out.
        return blended / xp.where(total > 0, total, 1.0)

    def _at_window(self, hu, window_hu, pixel_mm: float | None, rt):
        """Probability of one window (x, y, z), float32."""
        spec, xp, shape = self.spec, rt.xp, rt.xp.shape(hu)
        steps = n_steps(shape, spec, self.spacing_mm, pixel_mm, xp)
        steps = (steps + 1) // 2 if self.fast else steps
        with rt.phase("prepare"):
            slices = {view: self._all_slices(hu, view, window_hu, pixel_mm, rt) for view in VIEWS}
            indices = {view: step_indices(shape[VIEW_AXIS[view]], steps, xp) for view in VIEWS}

        def batch(start, stop):
            return self.predict(*(with_neighbours(slices[view], indices[view][start:stop], xp) for view in VIEWS))

        with rt.phase("network"):
            predicted = rt.batches(batch, steps, self.batch_size)  # (steps, H, W, views)
            rt.took(steps)
        with rt.phase("fuse"):
            predicted = rt.straight(xp.moveaxis(predicted, -1, 0))
            stacks = {view: predicted[number] for number, view in enumerate(VIEWS)}
            return fuse_views(stacks, shape, slab=SLAB, spacing_mm=self.spacing_mm, pixel_mm=pixel_mm, rt=rt)

    def _all_slices(self, hu, view: str, window_hu, pixel_mm: float | None, rt):
        """Every slice of a view, (n_slices, H, W); neighbours and steps share them, so each is resized once."""

        def some(start, stop):
            planes = rt.xp.arange(start, stop, dtype="int32")
            return cut_slices(
                hu, view, planes, window_hu, self.spacing_mm, self.spec, pixel_mm=pixel_mm, xp=rt.xp
            )  # (planes, H, W)

        return rt.chunks(some, rt.xp.shape(hu)[VIEW_AXIS[view]], SLAB)
