"""Describes the network.

A field's docstring is its flag's help (`cli/config_flags.py`); field names are unique over all sections.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from spine_tf.config.checks import require, require_finite

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


@dataclass(frozen=True)
class ModelConfig:
    """The network. Source: paper, "Proposed LinkNet-152 model for spine segmentation".

    A field that the architecture does not read (`ARCHITECTURES`) must keep its default, the two encoders aside.

    Example:
        >>> ModelConfig(encoder="efficientnetb0", attention="se").decoder
        'transpose'
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
        require_finite(self)
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
