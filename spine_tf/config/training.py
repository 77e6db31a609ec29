"""Sections of a run's config that training alone reads: the data, augmentation, optimisation.

A field's docstring is its flag's help (`cli/config_flags.py`); field names are unique over all sections.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spine_tf.config.checks import require, require_finite


@dataclass(frozen=True)
class DataConfig:
    """Which cases, how they are split, how triplets are drawn from them.

    Example:
        >>> DataConfig(data=Path("verse"), split="official").triplets_per_case
        64
    """

    data: Path | None = None
    """A VerSe root, as unzipped. None (and no globs or shards): the embedded default, phantoms and a real sample CT."""
    images: str | None = None
    """With masks: a glob of scans, for data in any other layout."""
    masks: str | None = None
    """A glob of masks; sorted like the scans, one each."""
    shards: Path | None = None
    """Instead of data: a folder that scripts/prepare.py made. Only `cases_open` of its cases are open at a time."""
    cases_open: int = 8
    """With shards: an epoch takes the cases in a random order, this many at a time, and mixes their triplets."""
    hold_out: tuple[str, ...] = ("tptbox-l3",)
    """Embedded default: the real CTs, by case id, that training never sees; the others are trained on."""
    more: Path | None = None
    """Embedded default: a folder with further real CTs in any of VerSe's layouts (see scripts/import_case.py)."""
    phantoms: int = 24
    """Embedded default: phantoms trained on; some more are made for validation and for the test."""
    real_weight: int = 8
    """Embedded default: a real CT is drawn as often as this many phantoms."""
    synthetic: int = 0
    """Embedded default: synthetic scans made anew for every epoch while the one before it trains."""
    phantom_share: float = 0.5
    """Of the synthetic scans; the others are made from label maps of real scans."""
    split: Literal["subject", "official"] = "subject"
    """`subject`: seeded 80/20 by subject (paper). `official`: VerSe's own training / validation / test folders."""
    test_fraction: float = 0.2
    """Share of subjects that only evaluate.py reads (paper: 20 %)."""
    val_fraction: float = 0.1
    """Share of the training subjects that decides checkpoint, learning rate and threshold; 0 as in the paper."""
    triplets_per_case: int = 64
    """An epoch is this many triplets for every training case."""
    inference_like: float = 0.5
    """Share of triplets drawn as prediction draws them; the rest is biased to foreground, each view on its own."""
    batch_size: int = 8
    """Triplets in a training batch, over all replicas."""
    cache: Path | None = None
    """Where canonical int16 volumes are kept for memory-mapped reading. None: inside the run's folder."""
    workers: int = 2
    """Parallel triplet makers. Up to two are threads, more are processes: threads of Python take turns."""

    def __post_init__(self):
        require_finite(self)
        require(0 < self.test_fraction < 1, "test_fraction", "between 0 and 1", self.test_fraction)
        require(0 <= self.val_fraction < 1, "val_fraction", "in [0, 1)", self.val_fraction)
        require(0.5 <= self.inference_like <= 1, "inference_like", "in [0.5, 1]", self.inference_like)
        require((self.images is None) == (self.masks is None), "images", "given together with masks", self.images)
        require(self.data is None or self.images is None, "data", "None when images and masks are given", self.data)
        alone = self.shards is None or (self.data is None and self.images is None)
        require(alone, "shards", "None when data or images are given", self.shards)
        require(0 <= self.phantom_share <= 1, "phantom_share", "in [0, 1]", self.phantom_share)
        for name in ("triplets_per_case", "batch_size", "workers", "real_weight", "cases_open"):
            require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        for name in ("phantoms", "synthetic"):
            require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))


@dataclass(frozen=True)
class AugmentConfig:
    """Training-only augmentation. Source: paper, "Data augmentation": smoothing, clamping, reorienting.

    Example:
        >>> AugmentConfig(flip=0.0).rotate_deg
        10.0
    """

    augment: bool = True
    """False switches all of it off (the paper's Table 6)."""
    sub_box: float = 0.7
    """Probability of a random sub-box, so that the field of view varies."""
    min_box_mm: float = 60.0
    """Shortest side of a random sub-box, where the scan is that large."""
    flip: float = 0.5
    """Probability of mirroring left and right (reorienting)."""
    reorient: float = 0.1
    """Probability of turning front to back, and again of turning upside down (reorienting)."""
    rotate_deg: float = 10.0
    """Largest in-plane rotation of a slice, drawn for each view (reorienting)."""
    max_smoothing_mm: float = 1.0
    """Random smoothing adds up to this sigma to the smoothing of the pre-processing."""
    window_jitter: float = 0.1
    """Random clamping: each end of window_hu moves by up to this share of the window's width."""
    noise: float = 0.03
    """Largest sigma of Gaussian noise, in units of the window's width."""
    zoom: float = 0.0
    """Sigma of the logarithm of a random zoom, of each axis on its own: other people, other proportions."""
    thick: float = 0.0
    """Probability of averaging axial slices to 2-6 mm, as thick-slice scans have them."""
    gamma: float = 0.0
    """Sigma of the logarithm of a random gamma of the clamped grey values: other tubes, contrast media and bones."""

    def __post_init__(self):
        require_finite(self)


@dataclass(frozen=True)
class TrainConfig:
    """Optimisation. Source: paper, "Pre-processing" (100 epochs, 0.001, x0.1 after 10 epochs without improvement).

    Example:
        >>> TrainConfig(loss="bce_dice", cosine=True).learning_rate
        0.001
    """

    epochs: int = 100
    optimizer: Literal["adamax", "adam", "rmsprop"] = "adamax"
    learning_rate: float = 1e-3
    loss: Literal["bce", "bce_dice"] = "bce"
    """`bce` is the paper's (Step 1); `bce_dice` adds the soft Dice loss."""
    plateau_factor: float = 0.1
    plateau_patience: int = 10
    cosine: bool = False
    """Cosine decay over the run instead of ReduceLROnPlateau, for short runs."""
    accumulate: int = 1
    """Batches whose mean gradient makes one update."""
    seed: int = 0
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    """What layers compute in; variables, loss and output are float32. The mixed ones are for GPUs; with mixed_float16
    Keras scales the loss, so that small gradients do not vanish."""
    mirrored: bool = False
    """Train on every visible GPU with tf.distribute.MirroredStrategy."""
    jit_compile: bool = False
    """XLA; pays off on a GPU, costs minutes of compilation on a CPU."""
    deterministic: bool = False
    """Bit-reproducible kernels (tf.config.experimental.enable_op_determinism); slower."""
    encoder_weights: str = "none"
    """Where the branches start: `none` (random weights), `imagenet`, or the path of a .keras model of this project (its
    whole network is taken over) or of a .npz file below data/weights."""
    linknet_weights: Literal["none", "astra"] = "none"
    """Where the LinkNet's encoder starts: `astra` are kernels of a ResNet-152 trained on CT, for resnet152 only."""

    def __post_init__(self):
        require_finite(self)
        for name in ("epochs", "learning_rate", "plateau_patience", "accumulate"):
            require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        require(0 < self.plateau_factor < 1, "plateau_factor", "between 0 and 1", self.plateau_factor)
