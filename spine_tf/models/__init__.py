"""Networks. `build_model` makes the one that a ModelConfig describes; a new architecture is one row of `BUILDERS`."""

import keras

from spine_tf.config import ARCHITECTURES, ModelConfig
from spine_tf.models.attention_linknet import attention_linknet
from spine_tf.models.baselines import ATTENTION, SINGLE_VIEW, stacked_linknet
from spine_tf.models.hyperdensenet import hyperdensenet

__all__ = ["attention_linknet", "build_model"]

BUILDERS = {**ATTENTION, **SINGLE_VIEW, "stacked_linknet": stacked_linknet, "hyperdensenet": hyperdensenet}
"""Architecture -> its builder, which takes the image's side and the fields that `config.ARCHITECTURES` names."""


def build_model(config: ModelConfig, image_size: int) -> keras.Model:
    """Build the network with fresh weights, uncompiled; inputs, output and errors as `attention_linknet`."""
    fields = (*ARCHITECTURES[config.architecture], "norm_momentum")
    return BUILDERS[config.architecture](image_size, **{name: getattr(config, name) for name in fields})
