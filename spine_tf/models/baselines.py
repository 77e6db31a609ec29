"""Builds the networks that the paper compares with: LinkNet, FPN, PSPNet, U-Net of single slices, LinkNet-152 alone.

Source: paper, sections "LinkNet-34" to "U-Net model", Tables 3 to 5. It feeds them with "images of the spine obtained
from CT scan" of 256 x 256 pixels and does not say of which view.

Here one network with one set of weights reads the slices of all three views, each on its own. So it has the inputs and
the output that the proposed network has: triplets, volume inference, pruning and export stay what they are, and a
comparison differs in the network alone. A network for each view would have three times the parameters that the
published ones have, for the same data. Batch normalisation sees the slices of all views in one batch.
"""

from functools import partial

import keras
from keras import layers

from spine_tf.config import VIEWS
from spine_tf.models.attention_linknet import (
    SHARED,
    BatchToChannels,
    ViewsToBatch,
    build_attention_linknet,
    triplet_inputs,
    triplet_model,
)
from spine_tf.models.encoders import ENCODERS, input_scaling
from spine_tf.models.linknet import NETWORKS, zoo_network


def single_view(
    image_size: int, network: str, encoder: str, decoder: str = "transpose", norm_momentum: float = 0.99
) -> keras.Model:
    """Build a network of segmentation-models that segments every slice by itself, of whatever view.

    Encoder layers are called `shared_stem_conv`, `shared_stage1_unit1_conv1` and so on. An EfficientNet's input is
    scaled as ImageNet's was, so that its ImageNet weights fit; other encoders read [0, 1].

    Args:
        image_size: side S of the slices in pixels, a multiple of 32.
        network: a row of `linknet.NETWORKS`.
        encoder: one of `linknet.ENCODERS`; the paper has resnet34, mobilenetv2, resnet50 and efficientnetb7.
        decoder: "transpose" or "upsampling", for LinkNet ("uses transposed convolution") and U-Net.
        norm_momentum: momentum of every batch normalisation's moving statistics, in (0, 1).

    Returns:
        A model with inputs and output as `build_attention_linknet`: channel v of the mask comes from the slice of view
        v. It has the parameters of the same network in segmentation-models for 3 channels and 1 class.

    Raises:
        ValueError: a size or the name of a part that cannot be built.
    """
    inputs = triplet_inputs(image_size)
    slices = ViewsToBatch(name="views_to_batch")(inputs)  # (batch * V, S, S, 3)
    if encoder in ENCODERS:
        slices = input_scaling(encoder, f"{SHARED}_scaling")(slices)
    logits = zoo_network(slices, network, encoder, decoder, masks=1, prefix=SHARED, argument="encoder")
    logits = BatchToChannels(len(VIEWS), name="head_views")(logits)  # (batch, S, S, V)
    return triplet_model(inputs, logits, network, norm_momentum)


def build_stacked_linknet(
    image_size: int, linknet_encoder: str = "resnet152", decoder: str = "transpose", norm_momentum: float = 0.99
) -> keras.Model:
    """Build the proposed network without its branches: LinkNet-152 on the three slices side by side, nine channels.

    An ablation: it shows what the branches add. Arguments, result and errors as `build_attention_linknet`.

    Example:
        >>> model = build_stacked_linknet(32, linknet_encoder="resnet18")
        >>> model.get_layer("feature_map").output.shape
        (None, 32, 32, 9)
    """
    inputs = triplet_inputs(image_size)
    slices = layers.Concatenate(name="feature_map")(inputs)  # (batch, S, S, 3 * V)
    logits = zoo_network(slices, "linknet", linknet_encoder, decoder, len(VIEWS), prefix="linknet")
    return triplet_model(inputs, logits, "stacked_linknet", norm_momentum)


SINGLE_VIEW = {network: partial(single_view, network=network) for network in NETWORKS}
"""`linknet`, `fpn`, `pspnet`, `unet`."""
ATTENTION = {f"attention_{network}": partial(build_attention_linknet, network=network) for network in NETWORKS}
"""The three attended branches before each of them; `attention_linknet` is the paper's."""
