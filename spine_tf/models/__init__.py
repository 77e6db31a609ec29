"""Networks. `build_model` makes the one that a ModelConfig describes."""

import dataclasses

import keras

from spine_tf.config import ModelConfig
from spine_tf.models.attention_linknet import attention_linknet

__all__ = ["attention_linknet", "build_model"]


def build_model(config: ModelConfig, image_size: int) -> keras.Model:
    """Build the network with fresh weights, uncompiled; inputs, output and errors as `attention_linknet`."""
    return attention_linknet(image_size, **dataclasses.asdict(config))
