"""Describes what is done to a scan before the network sees it.

A field's docstring is its flag's help (`cli/config_flags.py`); field names are unique over all sections.
"""

from dataclasses import dataclass
from typing import Literal

from spine_tf.config.checks import require, require_finite

VIEWS = ("axial", "coronal", "sagittal")

PREDICTION_BATCH = 16
"""Triplets that prediction gives a network at once, unless it is told otherwise. On two cores a triplet
then took 0.80 and 0.95 of its time among 8 (two measurements of five rounds; 1.06 in a single round); among 32 it
takes 0.87 to 1.03 of that (benchmarks/batches.py)."""

MEMORY_BUDGET_GIB = 8.0
"""Memory that a scan may need to be read and segmented, unless more is allowed: those that need more are refused."""


@dataclass(frozen=True)
class PreprocessSpec:
    """What is done to a scan before the network sees it. Identical in training and prediction; travels with the model.

    Source: paper, "Pre-processing" (resize to 256 x 256) and "Data augmentation" (smoothing, clamping, reorienting).

    Example:
        >>> PreprocessSpec(window_hu=(1300.0, -300.0))
        Traceback (most recent call last):
        ValueError: window_hu must be (low, high) with low < high. Received: window_hu=(1300.0, -300.0)
    """

    image_size: int = 256
    """Side of the square slices the network sees, in pixels."""
    window_hu: tuple[float, float] = (-300.0, 1300.0)
    """Clamping: HU outside are set to the nearer end. The paper gives no values. (-1024, 3071) is as good as off."""
    normalise: Literal["window", "scan"] = "window"
    """`window` maps window_hu to [0, 1]; `scan` maps the clamped scan's own 1st to 99th percentile to [0, 1]."""
    smoothing_mm: float = 0.0
    """Sigma of a Gaussian applied within each slice; 0 for none. The paper gives no filter, and lists smoothing under
    "Data augmentation", where it is always on; as part of every prediction it would make a whole scan's request to a
    server need the voxel size."""
    canonical: bool = True
    """Reorient to RAS+ first. False cuts the views along the axes as stored, whatever they are."""
    body_box: bool = True
    """Crop to the box around the body before slicing."""
    pixel_mm: float | None = None
    """Isotropic pixels of this size; a scan larger than image_size of them is covered by overlapping tiles. None:
    each slice is stretched to the square (paper, "Pre-processing")."""
    coarse_to_fine: bool = False
    """A coarse pass over the whole scan, then a fine pass over the box around the spine found: the same weights."""
    coarse_pixel_mm: float = 3.0
    """With pixel_mm and coarse_to_fine: size of the pixels of the coarse pass."""
    max_positions: int | None = None
    """Positions along each view at prediction: at most this many. None: as many as image_size has pixels; 0: every
    slice."""
    threshold: float = 0.5
    """Probability from which a voxel counts as spine; chosen on validation data after training."""

    def __post_init__(self):
        require_finite(self)
        low, high = self.window_hu
        require(self.image_size >= 32 and self.image_size % 32 == 0, "image_size", "a multiple of 32", self.image_size)
        require(low < high, "window_hu", "(low, high) with low < high", self.window_hu)
        require(self.smoothing_mm >= 0, "smoothing_mm", "at least 0", self.smoothing_mm)
        require(self.pixel_mm is None or self.pixel_mm > 0, "pixel_mm", "None or positive", self.pixel_mm)
        require(self.coarse_pixel_mm > 0, "coarse_pixel_mm", "positive", self.coarse_pixel_mm)
        most = self.max_positions
        require(most is None or most >= 0, "max_positions", "None or at least 0", most)
        require(0 < self.threshold < 1, "threshold", "between 0 and 1", self.threshold)
