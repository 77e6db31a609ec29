"""The LinkNet of segmentation-models, laid into our own graph layer by layer.

Source: paper, "the ResNet-34 is replaced with the ResNet-152"; Chaurasia and Culurciello, "LinkNet", 2017.
"""

import re
from collections import Counter

import keras
from keras import tree

from spine_tf.models.normalization import FusedBatchNormalization
from spine_tf.models.zoo import load_segmentation_models

_UNIT = re.compile(r"stage\d+_unit\d+")
_COUNTER = re.compile(r"_\d+$")
_KINDS = {"ZeroPadding2D": "pad"}


def stable_names(model: keras.Model, prefix: str) -> dict[str, str]:
    """A name for each layer of a model that does not depend on what else the process has built.

    Given names are kept; names that Keras counts up (`add_7`) are replaced by the unit the layer stands in and its
    kind (`stage2_unit1_add`). All but the decoder's names (`decoder_stage1a_conv`) get the prefix.

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
        name = name if name.startswith("decoder_") else f"{prefix}_{name}"
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
        if isinstance(layer, keras.layers.Lambda) or not type(layer).__module__.startswith("keras."):
            raise ValueError(
                "model must be made of Keras' own layers and no Lambda, or its file could not be loaded elsewhere. "
                f"Received: {layer.name!r} of {type(layer)}"
            )
        kind = FusedBatchNormalization if type(layer) is keras.layers.BatchNormalization else type(layer)
        copy = kind.from_config(layer.get_config() | {"name": names[layer.name]})
        rebuilt[id(layer.output)] = copy(tree.map_structure(lambda tensor: rebuilt[id(tensor)], layer.input))
    return rebuilt[id(model.output)]


def linknet(x, encoder: str, decoder: str, masks: int):
    """LinkNet with an encoder of segmentation-models, from scratch, on a map of any number of channels.

    Layer names: `linknet_stage1_unit1_conv1` in the encoder, `decoder_stage1a_conv` in the decoder, `head_conv` last.

    Args:
        x: Keras tensor (batch, S, S, C), S a multiple of 32.
        encoder: name of a segmentation-models backbone: "resnet18" to "resnet152", "vgg16", "mobilenetv2" and others.
        decoder: "transpose" or "upsampling", how the decoder doubles its resolution.
        masks: number of output channels.

    Returns:
        Logits, Keras tensor (batch, S, S, masks).

    Raises:
        ValueError: an unknown encoder or decoder, an encoder not made of Keras' own layers (the SE-ResNets, ResNeXts
            and EfficientNets of segmentation-models), or a side that cannot be halved five times.
    """
    segmentation_models = load_segmentation_models()
    known = segmentation_models.get_available_backbone_names()
    if encoder not in known:
        raise ValueError(f"linknet_encoder must be one of {sorted(known)}. Received: linknet_encoder={encoder!r}")
    if decoder not in ("transpose", "upsampling"):
        raise ValueError(f"decoder must be 'transpose' or 'upsampling'. Received: decoder={decoder!r}")
    if x.shape[1] % 32 or x.shape[2] % 32:
        raise ValueError(f"the fused map must have sides that are multiples of 32. Received: shape={tuple(x.shape)}")
    model = segmentation_models.Linknet(
        encoder,
        input_shape=tuple(x.shape[1:]),
        classes=masks,
        activation="linear",
        encoder_weights=None,
        decoder_block_type=decoder,
    )
    names = stable_names(model, "linknet")
    names[model.layers[-2].name], names[model.layers[-1].name] = "head_conv", "head_logits"
    return replay(model, x, names)
