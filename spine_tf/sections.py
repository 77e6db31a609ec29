"""The sections of a run's config: what is done to a scan, the network, the data, augmentation, optimisation.

A field's docstring is its flag's help (`cli.py`); field names are unique over all sections.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

VIEWS = ("axial", "coronal", "sagittal")

_BRANCHES = ("encoder", "linknet_encoder", "attention", "fusion", "fusion_filters", "fusion_stride", "share_branches")
ARCHITECTURES = {
    "attention_linknet": (*_BRANCHES, "decoder"),
    "attention_fpn": _BRANCHES,
    "attention_pspnet": _BRANCHES,
    "attention_unet": (*_BRANCHES, "decoder"),
    "linknet": ("encoder", "decoder"),
    "fpn": ("encoder",),
    "pspnet": ("encoder",),
    "unet": ("encoder", "decoder"),
    "stacked_linknet": ("linknet_encoder", "decoder"),
    "hyperdensenet": ("stream_width",),
}
"""Architecture -> the fields of ModelConfig that it reads; every one reads `norm_momentum`."""
ENCODER_FIELDS = ("encoder", "linknet_encoder")
"""Set by presets, hence allowed to stand in the config of an architecture that does not read them."""


def require(condition: bool, name: str, expected: str, received) -> None:
    """Raise ValueError with what `name` must be and what was received, unless `condition` holds."""
    if not condition:
        raise ValueError(f"{name} must be {expected}. Received: {name}={received!r}")


@dataclass(frozen=True)
class PreprocessSpec:
    """What is done to a scan before the network sees it. Identical in training and prediction; travels with the model.

    Source: paper, "Pre-processing" (resize to 256 x 256) and "Data augmentation" (smoothing, clamping, reorienting).
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
    """Isotropic pixels of this size; a scan larger than image_size of them is covered by overlapping windows. None:
    each slice is stretched to the square (paper, "Pre-processing")."""
    coarse_to_fine: bool = False
    """Look at the whole scan first, then again at the box around the spine found, with the same weights."""
    coarse_pixel_mm: float = 3.0
    """With pixel_mm and coarse_to_fine: size of the pixels of the first look."""
    max_steps: int | None = None
    """Slices per view at prediction: at most this many. None: as many as image_size has pixels; 0: every slice."""
    threshold: float = 0.5
    """Probability from which a voxel counts as spine; chosen on validation data after training."""

    def __post_init__(self):
        low, high = self.window_hu
        require(self.image_size >= 32 and self.image_size % 32 == 0, "image_size", "a multiple of 32", self.image_size)
        require(low < high, "window_hu", "(low, high) with low < high", self.window_hu)
        require(self.smoothing_mm >= 0, "smoothing_mm", "at least 0", self.smoothing_mm)
        require(self.pixel_mm is None or self.pixel_mm > 0, "pixel_mm", "None or positive", self.pixel_mm)
        require(self.coarse_pixel_mm > 0, "coarse_pixel_mm", "positive", self.coarse_pixel_mm)
        require(self.max_steps is None or self.max_steps >= 0, "max_steps", "None or at least 0", self.max_steps)
        require(0 < self.threshold < 1, "threshold", "between 0 and 1", self.threshold)


@dataclass(frozen=True)
class ModelConfig:
    """The network. Source: paper, "Proposed LinkNet-152 model for spine segmentation".

    A field that the architecture does not read (`ARCHITECTURES`) must keep its default, the two encoders aside.
    """

    architecture: Annotated[Literal[tuple(ARCHITECTURES)], tyro.conf.arg(aliases=["--model"])] = "attention_linknet"
    """`attention_linknet` is the proposed network, other `attention_` ones have another network behind the branches.
    `linknet`, `fpn`, `pspnet` and `unet` segment single slices; `stacked_linknet` is the proposed network without its
    branches; `hyperdensenet` has the views as its streams and no encoder."""
    encoder: str = "efficientnetb7"
    """Encoder of each view's branch, a row of `models.encoders.ENCODERS`; that of a single-view network, one of
    `models.linknet.ENCODERS`."""
    linknet_encoder: str = "resnet152"
    """Encoder of the network that reads the concatenated feature map or, without branches, the three slices ("ResNet-34
    is replaced with the ResNet-152"): one of `models.linknet.ENCODERS`."""
    attention: Literal["cbam", "se", "none"] = "cbam"
    """Attention module after each of the first four blocks; the paper does not say which kind."""
    fusion: Literal["concat", "add"] = "concat"
    """How the five projected maps of one view are joined; the views themselves are always concatenated."""
    fusion_filters: int = 4
    """Channels each map of a view is projected to."""
    fusion_stride: Literal[1, 2] = 1
    """Resolution of the fused map: the slice's own (1) or half of it (2); the mask always has the slice's own."""
    decoder: Literal["transpose", "upsampling"] = "transpose"
    """Decoder blocks of LinkNet and U-Net: "transposed convolution (also known as ... deconvolution)", or upsample and
    convolve, the default of segmentation-models."""
    share_branches: bool = False
    """One encoder for the three views; the paper has "a separate modified EfficientNetB7" each."""
    norm_momentum: float = 0.99
    """Momentum of batch normalisation's moving statistics (Keras' default); a run of few steps wants it lower."""
    stream_width: float = 1.0
    """HyperDenseNet: filters of every layer as a share of the original's, whose cost is that of full resolution."""

    def __post_init__(self):
        require(self.architecture in ARCHITECTURES, "architecture", f"one of {[*ARCHITECTURES]}", self.architecture)
        for name in sorted(idle_fields(self.architecture).difference(ENCODER_FIELDS)):
            default, value = type(self).__dataclass_fields__[name].default, getattr(self, name)
            expected = f"{default!r} for architecture={self.architecture!r}, which does not read it"
            require(value == default, name, expected, value)
        require(self.stream_width > 0, "stream_width", "positive", self.stream_width)
        require(self.fusion_filters > 0, "fusion_filters", "positive", self.fusion_filters)
        require(0 < self.norm_momentum < 1, "norm_momentum", "between 0 and 1", self.norm_momentum)


def idle_fields(architecture: str) -> set[str]:
    """The fields of ModelConfig that an architecture does not read."""
    return set().union(*ARCHITECTURES.values()).difference(ARCHITECTURES[architecture])


@dataclass(frozen=True)
class DataConfig:
    """Which cases, how they are split, how triplets are drawn from them."""

    data: Path | None = None
    """A VerSe root, as unzipped. None (and no globs or shards): the embedded default, phantoms and a real sample CT."""
    images: str | None = None
    """With masks: a glob of scans, for data in any other layout."""
    masks: str | None = None
    """A glob of masks; sorted like the scans, one each."""
    shards: Path | None = None
    """Instead of data: a folder that scripts/prepare.py made. Only `window_cases` of its cases are open at a time."""
    window_cases: int = 8
    """With shards: an epoch takes the cases in a random order, this many at a time, and mixes their triplets."""
    data_service: str | None = None
    """With shards: grpc://host:port of a tf.data service whose workers read the training cases; see docs/shards.md."""
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
    """Parallel triplet makers."""

    def __post_init__(self):
        require(0 < self.test_fraction < 1, "test_fraction", "between 0 and 1", self.test_fraction)
        require(0 <= self.val_fraction < 1, "val_fraction", "in [0, 1)", self.val_fraction)
        require(0.5 <= self.inference_like <= 1, "inference_like", "in [0.5, 1]", self.inference_like)
        require((self.images is None) == (self.masks is None), "images", "given together with masks", self.images)
        require(self.data is None or self.images is None, "data", "None when images and masks are given", self.data)
        alone = self.shards is None or (self.data is None and self.images is None)
        require(alone, "shards", "None when data or images are given", self.shards)
        served = self.data_service
        require(served is None or self.shards is not None, "data_service", "None without shards", served)
        fits = served is None or served.startswith("grpc://")
        require(fits, "data_service", "None or grpc://host:port", served)
        require(0 <= self.phantom_share <= 1, "phantom_share", "in [0, 1]", self.phantom_share)
        for name in ("triplets_per_case", "batch_size", "workers", "real_weight", "window_cases"):
            require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        for name in ("phantoms", "synthetic"):
            require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))


@dataclass(frozen=True)
class AugmentConfig:
    """Training-only augmentation. Source: paper, "Data augmentation": smoothing, clamping, reorienting."""

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


@dataclass(frozen=True)
class TrainConfig:
    """Optimisation. Source: paper, "Pre-processing" (100 epochs, 0.001, x0.1 after 10 epochs without improvement)."""

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
    """Batches whose mean gradient makes one update: a large batch in the memory of a small one."""
    seed: int = 0
    mixed_precision: bool = False
    """float16 compute with float32 variables; for GPUs."""
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
        for name in ("epochs", "learning_rate", "plateau_patience", "accumulate"):
            require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        require(0 < self.plateau_factor < 1, "plateau_factor", "between 0 and 1", self.plateau_factor)
