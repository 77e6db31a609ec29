"""Sections of a run's config: what is done to a scan, and the network. `config/training.py` has the others.

A field's docstring is its flag's help (`cli/config_flags.py`); field names are unique over all sections.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

VIEWS = ("axial", "coronal", "sagittal")

PREDICTION_BATCH = 16
"""Triplets that prediction gives a network at once, unless it is told otherwise. On two cores a triplet
then took 0.80 and 0.95 of its time among 8 (two measurements of five rounds; 1.06 in a single round); among 32 it
takes 0.87 to 1.03 of that (benchmarks/batches.py)."""

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
