"""Segments a whole volume: box around the body, slices, batches, and three views fused into one probability volume.

Position t takes the slice at relative place t/(N-1) of each view (`views.slices.n_positions`); slices between are
interpolated; the three views are averaged; a threshold decides. With isotropic pixels this is done tile by tile, and
coarse to fine does it in two passes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from spine_tf.config import PREDICTION_BATCH, VIEWS, PreprocessSpec
from spine_tf.inference.engines import Engine
from spine_tf.inference.limits import check_work
from spine_tf.scans import Volume
from spine_tf.scans.volume import canonical_volume
from spine_tf.views.backend import NumpyBackend
from spine_tf.views.components import drop_small_components
from spine_tf.views.preprocess import body_box, clamp_window
from spine_tf.views.slices import (
    VIEW_AXIS,
    cut_slices,
    fuse_views,
    longest_mm,
    n_positions,
    position_slices,
    with_neighbours,
)
from spine_tf.views.tiles import box_around, tile_axes, tile_count, tile_of

SLAB = 32
"""Planes of the volume that are float at one time."""

COARSE_THRESHOLD = 0.2
"""Probability from which a voxel counts in the coarse pass: it may find too much, but should miss nothing."""

COARSE_MIN_SHARE = 0.1
"""What the coarse pass finds is dropped below this share of its largest component: less readily than at the end."""

MARGIN_MM = (30.0, 30.0, 50.0)
"""Around what the coarse pass found, along x, y and z: a spine goes on up and down."""


@dataclass(frozen=True)
class Segmentation:
    """What a network says of one scan."""

    mask: np.ndarray
    """(x, y, z) bool on the axes of the volume."""
    probability: np.ndarray
    """(x, y, z) float32 in [0, 1], on the same axes."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time of each phase."""
    positions: int = 0
    """Triplets that the network was given."""


def segment_volume(
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
        clean_up: drop small components (`views.components.drop_small_components`).
        flips: also segment the mirror image (left and right) and average; at most twice the time.
        fast: take every second position and interpolate; half the time of the network.
        progress: show a bar.

    Returns:
        mask and probabilities on the axes of the volume.

    Raises:
        ScanError: more voxels along an axis than `limits.MAX_AXIS`, or more triplets than `limits.MAX_TRIPLETS`.
        ModelError: the network answers what is no probability.

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> hu = np.where(np.indices((32, 32, 32)).max(axis=0) < 16, 1300, -300).astype(np.int16)
        >>> spec = PreprocessSpec(image_size=32, smoothing_mm=0.0, body_box=False)
        >>> bright = Engine(lambda *views: np.stack(views, axis=-1)[..., 1, :], spec, {}, "bright")
        >>> result = segment_volume(volume_from_array(hu, np.eye(4)), bright, clean_up=False)
        >>> int(result.mask.sum()) == 16**3
        True
    """
    check_work(volume, engine.spec, batch_size)
    backend = NumpyBackend(progress, engine.at_once)
    if engine.volume is not None and engine.spec.canonical and not (flips or fast):
        with backend.phase("server"):
            probability, mask = engine.volume(volume.array, volume.spacing_mm)
    else:
        oriented = volume if engine.spec.canonical else volume.as_stored()
        # As a server gets them: float32.
        spacing_mm = tuple(float(mm) for mm in np.float32(oriented.spacing_mm))
        network = VolumeNetwork(engine.predict, engine.spec, spacing_mm, batch_size, flips, fast)
        probability = network.at_scan(oriented.array, backend)
        if not engine.spec.canonical:
            probability = canonical_volume(probability, volume.grid).array
        mask = probability >= engine.spec.threshold
    with backend.phase("clean_up"):
        if clean_up:
            mask = drop_small_components(mask, volume.spacing_mm)
    return Segmentation(
        mask, probability, {name: round(s, 3) for name, s in backend.seconds.items()}, backend.positions
    )


def prediction_triplets(volume: Volume, spec: PreprocessSpec, positions: int) -> tuple[np.ndarray, ...]:
    """Cut the triplets of a scan as prediction does, but without tiles or boxes.

    Returns:
        axial, coronal, sagittal, each (positions, H, W, 3) float32 in [0, 1].
    """
    window_hu, views = clamp_window(volume.array, spec), []
    for view in VIEWS:
        planes = np.arange(volume.array.shape[VIEW_AXIS[view]])
        slices = cut_slices(volume.array, view, planes, window_hu, volume.spacing_mm, spec, pixel_mm=spec.pixel_mm)
        views.append(with_neighbours(slices, position_slices(len(planes), positions)))
    return tuple(views)


@dataclass(frozen=True)
class VolumeNetwork:
    """A network for whole volumes of one voxel size. Its methods run on any backend (`views/backend.py`)."""

    predict: Callable
    """As `Engine.predict`."""
    spec: PreprocessSpec
    spacing_mm: tuple
    """Of the volume's axes, floats (or float64 scalars of a graph)."""
    batch_size: int = PREDICTION_BATCH
    flips: bool = False
    fast: bool = False

    def at_scan(self, hu, backend):
        """Predict a whole scan: float32 probabilities (x, y, z), 0 outside the boxes that the network is given."""
        spec, xp, shape = self.spec, backend.xp, backend.xp.shape(hu)
        with backend.phase("prepare"):
            box = body_box(hu, xp) if spec.body_box else (slice(None),) * 3
            # A turned volume has other axes than memory has; slices of three views are cut faster from a copy in order.
            hu = backend.contiguous(hu[box])
            window_hu = clamp_window(hu, spec, xp)
        inner, found = (slice(None),) * 3, None
        if spec.coarse_to_fine:
            found = backend.cond(
                self._fits(xp.shape(hu), xp),
                lambda: xp.ones(xp.shape(hu), dtype="bool"),
                lambda: self._coarse_pass(hu, window_hu, backend),
            )
            inner = box_around(found, self.spacing_mm, MARGIN_MM, backend)
            found = found[inner]
        probability = self._at_box(hu[inner], window_hu, spec.pixel_mm, self.flips, found, backend)
        return backend.place(backend.place(probability, inner, xp.shape(hu)), box, shape)

    def _fits(self, shape, xp):
        """Tell whether isotropic pixels show the whole box in one image: a coarse pass could only lose some of it."""
        spec = self.spec
        return spec.pixel_mm is not None and longest_mm(shape, self.spacing_mm, xp) <= spec.pixel_mm * spec.image_size

    def _coarse_pass(self, hu, window_hu, backend):
        """Find the spine in a whole box by a coarse pass: (x, y, z) bool, True everywhere where it finds nothing."""
        spec, xp = self.spec, backend.xp
        coarse = self._at_box(hu, window_hu, spec.coarse_pixel_mm if spec.pixel_mm else None, False, None, backend)
        found = drop_small_components(coarse >= COARSE_THRESHOLD, self.spacing_mm, COARSE_MIN_SHARE, backend=backend)
        return xp.logical_or(found, xp.logical_not(xp.any(found)))

    def _at_box(self, hu, window_hu, pixel_mm: float | None, flips: bool, found, backend):
        """Predict a box (x, y, z) at one pixel size, blended from tiles; 0 in tiles that are left out.

        Tiles are left out where `found`, (x, y, z) bool of the coarse pass, has nothing.
        """
        xp, shape = backend.xp, backend.xp.shape(hu)
        axes = tile_axes(shape, self.spacing_mm, None if pixel_mm is None else pixel_mm * self.spec.image_size, backend)

        def add_tile(tile, weights, state):
            blended, total = state
            values = self._at_tile(hu[tile], window_hu, pixel_mm, backend)
            if flips:
                mirrored = self._at_tile(backend.contiguous(xp.flip(hu[tile], axis=0)), window_hu, pixel_mm, backend)
                values = (values + xp.flip(mirrored, axis=0)) / 2
            by_x, by_y, by_z = weights
            weight = by_x[:, None, None] * (by_y[:, None] * by_z)
            return backend.add(blended, tile, values * weight), backend.add(total, tile, weight)

        def body(number, state):
            tile, weights = tile_of(axes, number, backend)
            wanted = True if found is None else xp.any(found[tile])
            return backend.cond(wanted, lambda: add_tile(tile, weights, state), lambda: state)

        zeros = tuple(xp.zeros(shape, dtype="float32") for _ in range(2))
        blended, total = backend.loop(body, tile_count(axes, backend), zeros)
        # The weights sum to 1 only where no tile was left out.
        return blended / xp.where(total > 0, total, 1.0)

    def _at_tile(self, hu, window_hu, pixel_mm: float | None, backend):
        """Predict one tile: float32 probabilities (x, y, z)."""
        spec, xp, shape = self.spec, backend.xp, backend.xp.shape(hu)
        positions = n_positions(shape, spec, self.spacing_mm, pixel_mm, xp)
        positions = (positions + 1) // 2 if self.fast else positions
        with backend.phase("prepare"):
            slices = {view: self._all_slices(hu, view, window_hu, pixel_mm, backend) for view in VIEWS}
            indices = {view: position_slices(shape[VIEW_AXIS[view]], positions, xp) for view in VIEWS}

        def batch(start, stop):
            return self.predict(*(with_neighbours(slices[view], indices[view][start:stop], xp) for view in VIEWS))

        with backend.phase("network"):
            predicted = backend.batches(batch, positions, self.batch_size)  # (positions, H, W, views)
            backend.count_triplets(positions)
        with backend.phase("fuse"):
            predicted = backend.contiguous(xp.moveaxis(predicted, -1, 0))
            stacks = {view: predicted[number] for number, view in enumerate(VIEWS)}
            return fuse_views(stacks, shape, slab=SLAB, spacing_mm=self.spacing_mm, pixel_mm=pixel_mm, backend=backend)

    def _all_slices(self, hu, view: str, window_hu, pixel_mm: float | None, backend):
        """Cut every slice of a view, (n_slices, H, W): neighbours and positions share them, so each is resized once."""

        def some(start, stop):
            planes = backend.xp.arange(start, stop, dtype="int32")
            return cut_slices(
                hu, view, planes, window_hu, self.spacing_mm, self.spec, pixel_mm=pixel_mm, xp=backend.xp
            )  # (planes, H, W)

        return backend.chunks(some, backend.xp.shape(hu)[VIEW_AXIS[view]], SLAB)
