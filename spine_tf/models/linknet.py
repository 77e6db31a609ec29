"""The networks of segmentation-models, LinkNet first among them, laid into our own graph layer by layer.

Source: paper, sections "LinkNet-34" to "U-Net model", and for the proposed network "the ResNet-34 is replaced with the
ResNet-152"; Chaurasia and Culurciello, "LinkNet", 2017.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import layers, tree

from spine_tf.models.layers import FusedBatchNormalization
from spine_tf.models.zoo import load_segmentation_models


class Network(NamedTuple):
    """One architecture of segmentation-models, with the package's own defaults but for `decoder`."""

    builder: str
    """Its function in segmentation-models."""
    multiple: int = 32
    """Its sides must be divisible by this; other maps are padded with zeros and its output is cropped."""
    two_decoders: bool = True
    """Whether its decoder can be had with transposed convolutions and with upsampling."""


NETWORKS = {
    "linknet": Network("Linknet"),
    "fpn": Network("FPN", two_decoders=False),
    # Pools its map at stride 8 to 1, 2, 3 and 6 places a side.
    "pspnet": Network("PSPNet", multiple=48, two_decoders=False),
    "unet": Network("Unet"),
}
ENCODERS = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"seresnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"efficientnetb{n}" for n in range(8)),
    *("mobilenet", "mobilenetv2", "vgg16", "vgg19", "inceptionv3", "inceptionresnetv2"),
)
"""Encoders of segmentation-models that build on Keras 3 from Keras' own layers, with stand-ins for a few of them.

Not among them: DenseNets (their layers have names that Keras 3 refuses), ResNeXts, SE-ResNeXts and SENet-154 (their
grouped convolutions are cut out by 512 to 3250 Lambda layers, which no safe loader reads).
"""

_UNIT = re.compile(r"stage\d+_unit\d+")
_COUNTER = re.compile(r"_\d+$")
_KINDS = {"ZeroPadding2D": "pad"}
_DECODER = re.compile(r"center_block|fpn_|segm_|psp_|aggregation|upsampling_stage|final_")


def stable_names(model: keras.Model, prefix: str) -> dict[str, str]:
    """A name for each layer of a model that does not depend on what else the process has built.

    Given names are kept; names that Keras counts up (`add_7`) are replaced by the unit the layer stands in and its
    kind (`stage2_unit1_add`). The decoder's names start with `decoder_` (`decoder_stage1a_conv`), all others get the
    prefix.

    Returns:
        Old name -> new name.
    """
    names, counts, place = {}, Counter(), "input"
    for layer in model.layers:
        kind = type(layer).__name__
        if _COUNTER.sub("", layer.name).replace("_", "") == kind.lower():
            name = f"{place}_{_KINDS.get(kind, kind.lower())}"
        else:
            name = layer.name
            unit = _UNIT.match(name)
            place = unit.group() if unit else name
        if not name.startswith("decoder_"):
            name = f"decoder_{name}" if _DECODER.match(name) else f"{prefix}_{name}"
        counts[name] += 1
        names[layer.name] = f"{name}_{counts[name]}" if counts[name] > 1 else name
    return names


def replay(model: keras.Model, x, names: dict[str, str]):
    """Rebuild every layer of a one-input, one-output model on top of `x`, under new names and with fresh weights.

    Calling the model would nest it as one opaque layer; this leaves a flat graph whose layers are all addresses. Batch
    normalisation becomes the fused one.

    Raises:
        ValueError: a Lambda or a layer of another package, which would not load again in safe mode.
    """
    rebuilt = {id(model.input): x}
    for layer in model.layers[1:]:
        copy = _fresh(layer, names[layer.name])
        rebuilt[id(layer.output)] = copy(tree.map_structure(lambda tensor: rebuilt[id(tensor)], layer.input))
    return rebuilt[id(model.output)]


def _fresh(layer, name: str) -> Callable:
    """A layer of Keras' own that computes what this one does, or two; with fresh weights."""
    kind = type(layer)
    if kind is layers.Lambda:
        function = layer.function
        if (function.__module__, function.__name__) == ("classification_models.models._common_blocks", "expand_dims"):
            return layers.Reshape((1, 1, layer.input.shape[-1]), name=name)
        if function.__module__ == "segmentation_models.backbones.inception_resnet_v2":
            scaled = layers.Rescaling(layer.arguments["scale"], name=f"{name}_scale")
            added = layers.Add(name=name)
            return lambda inputs: added([inputs[0], scaled(inputs[1])])
    config = layer.get_config() | {"name": name}
    if kind.__name__ == "FixedDropout":
        kind = layers.Dropout
    elif kind is layers.Activation and layer.activation.__module__ == "efficientnet.model":
        config["activation"] = "swish"
    if kind is layers.Lambda or not kind.__module__.startswith("keras."):
        raise ValueError(
            "model must be made of Keras' own layers and no Lambda, or its file could not be loaded elsewhere. "
            f"Received: {layer.name!r} of {type(layer)}"
        )
    return (FusedBatchNormalization if kind is layers.BatchNormalization else kind).from_config(config)


def zoo_network(
    x, network: str, encoder: str, decoder: str, masks: int, prefix: str, argument: str = "linknet_encoder"
):
    """A network of segmentation-models, from scratch, on a map of any number of channels.

    Layer names: `{prefix}_stage1_unit1_conv1` in the encoder, `decoder_stage1a_conv` in the decoder, `head_conv` last.
    The PSPNet, which wants sides divisible by 48, sees the map in a frame of zeros (128 in 144, 256 in 288 pixels),
    and its output is cropped.

    Args:
        x: Keras tensor (batch, S, S, C), S a multiple of 32.
        network: a row of `NETWORKS`.
        encoder: one of `ENCODERS`.
        decoder: "transpose" or "upsampling", how LinkNet and U-Net double their resolution; the others have one way.
        masks: number of output channels.
        prefix: first part of the encoder's names.
        argument: what errors call `encoder`.

    Returns:
        Logits, Keras tensor (batch, S, S, masks).

    Raises:
        ValueError: an unknown network, encoder or decoder, or a side that cannot be halved five times.
    """
    for name, value, known in (
        ("network", network, NETWORKS),
        (argument, encoder, ENCODERS),
        ("decoder", decoder, ("transpose", "upsampling")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {sorted(known)}. Received: {name}={value!r}")
    if x.shape[1] % 32 or x.shape[2] % 32:
        raise ValueError(f"the fused map must have sides that are multiples of 32. Received: shape={tuple(x.shape)}")
    row = NETWORKS[network]
    missing = [-side % row.multiple for side in x.shape[1:3]]
    frame = tuple((pixels // 2, pixels - pixels // 2) for pixels in missing)
    if any(missing):
        x = layers.ZeroPadding2D(frame, name=f"{prefix}_frame")(x)
    model = getattr(load_segmentation_models(), row.builder)(
        encoder,
        input_shape=tuple(x.shape[1:]),
        classes=masks,
        activation="linear",
        encoder_weights=None,
        **({"decoder_block_type": decoder} if row.two_decoders else {}),
    )
    names = stable_names(model, prefix)
    convolutions = [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)]
    names[convolutions[-1]] = "head_conv"
    names[model.layers[-1].name] = "head_logits"
    logits = replay(model, x, names)
    return layers.Cropping2D(frame, name="head_crop")(logits) if any(missing) else logits


def build_linknet(x, encoder: str, decoder: str, masks: int):
    """LinkNet behind a map: `zoo_network`, its encoder's names starting with `linknet_`."""
    return zoo_network(x, "linknet", encoder, decoder, masks, "linknet")
