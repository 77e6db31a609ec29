"""Builds networks: `build_model` makes the one that a ModelConfig describes.

A new architecture is one row of `BUILDERS`. Importing the package registers its layers, so that stored `.keras` files
load.
"""

import keras

from spine_tf.config import ARCHITECTURES, ModelConfig
from spine_tf.models.attention_linknet import build_attention_linknet
from spine_tf.models.baselines import ATTENTION, SINGLE_VIEW, build_stacked_linknet
from spine_tf.models.flops import multiply_adds
from spine_tf.models.hyperdensenet import build_hyperdensenet
from spine_tf.models.summary import format_table, parameter_table

__all__ = [
    "build_attention_linknet",
    "build_hyperdensenet",
    "build_model",
    "build_stacked_linknet",
    "format_table",
    "multiply_adds",
    "parameter_table",
]

BUILDERS = {**ATTENTION, **SINGLE_VIEW, "stacked_linknet": build_stacked_linknet, "hyperdensenet": build_hyperdensenet}
"""Architecture -> its builder, which takes the image's side and the fields that `config.ARCHITECTURES` names."""


def build_model(config: ModelConfig, image_size: int) -> keras.Model:
    """Build the network that a config describes, with fresh weights and not compiled.

    Args:
        config: architecture and its switches.
        image_size: side S of the slices in pixels, a multiple of 32 (of 64 with `fusion_stride` 2).

    Returns:
        A model with the inputs `axial`, `coronal`, `sagittal`, each (batch, S, S, 3) float32 in [0, 1], and the output
        `mask`, (batch, S, S, 3) float32 in [0, 1]: a probability map per view, in this order.

    Raises:
        ValueError: a size or the name of a part that cannot be built.

    Example:
        >>> from spine_tf.config import PRESETS
        >>> model = build_model(PRESETS["tiny"].model, image_size=32)
        >>> [x.name for x in model.inputs], model.output.shape
        (['axial', 'coronal', 'sagittal'], (None, 32, 32, 3))
    """
    fields = (*ARCHITECTURES[config.architecture], "norm_momentum")
    return BUILDERS[config.architecture](image_size, **{name: getattr(config, name) for name in fields})
