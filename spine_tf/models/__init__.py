"""Networks. `build_model` makes the one that a ModelConfig describes; a new architecture is one row of `BUILDERS`."""

import keras

from spine_tf.config import ARCHITECTURES, ModelConfig
from spine_tf.models.attention_linknet import build_attention_linknet
from spine_tf.models.baselines import ATTENTION, SINGLE_VIEW, build_stacked_linknet
from spine_tf.models.hyperdensenet import build_hyperdensenet

__all__ = ["build_attention_linknet", "build_model"]

BUILDERS = {**ATTENTION, **SINGLE_VIEW, "stacked_linknet": build_stacked_linknet, "hyperdensenet": build_hyperdensenet}
"""Architecture -> its builder, which takes the image's side and the fields that `config.ARCHITECTURES` names."""


def build_model(config: ModelConfig, image_size: int) -> keras.Model:
    """Build the network with fresh weights, uncompiled; inputs, output and errors as `build_attention_linknet`."""
    fields = (*ARCHITECTURES[config.architecture], "norm_momentum")
    return BUILDERS[config.architecture](image_size, **{name: getattr(config, name) for name in fields})
