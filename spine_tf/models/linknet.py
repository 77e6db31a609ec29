"""Builds LinkNet, and the other networks of segmentation-models, layer by layer in our own graph.

segmentation-models builds a network; `replay` lays its layers, renamed and with fresh weights, on a map of ours. Of a
LinkNet with a ResNet encoder these are:

- encoder, input: `bn_data`, `conv0` (7x7, 64 filters, stride 2), `bn0`, `relu0`, `pooling0` (3x3, stride 2);
- encoder, stages 1 to 4: residual units that add to their input what `bn1`, `relu1`, `conv1`, `bn2`, `relu2`, `conv2`
  make of it (from ResNet50 on with a third convolution); in the first unit of a stage, at stride 2 from stage 2 on, a
  1x1 convolution `sc` stands for the input; behind the last stage `bn1` and `relu1`;
- decoder, blocks `stage0` to `stage4`: 1x1 to a quarter of the channels, twice the resolution by a 4x4 transposed
  convolution, 1x1 to the channels of the skip, each with batch normalisation and ReLU;
- skips: blocks 0 to 3 add the encoder's map of their resolution (the first `relu1` of stages 4, 3 and 2, and `relu0`);
  block 4 has 16 filters and none;
- head: a 3x3 convolution to one map of logits for each mask.

Why not call the network that the package built: it would be one opaque layer, whereas pruning, pretrained weights and
drawings address layers; Keras' counters name some of them (`add_7`) by what else the process has built; and its
Lambdas are refused by safe loaders.

Source: paper, sections "LinkNet-34" to "U-Net model", and for the proposed network "the ResNet-34 is replaced with the
ResNet-152"; Chaurasia and Culurciello, "LinkNet", 2017.
"""

import contextlib
import importlib
import io
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import NamedTuple

import keras
import tensorflow as tf
from keras import layers, tree

from spine_tf.config import require
from spine_tf.models.layers import FusedBatchNormalization, bilinear_enlarging


class Network(NamedTuple):
    """Describes one architecture of segmentation-models, with the package's own defaults but for `decoder`."""

    builder: str
    """Name of its function in segmentation-models."""
    multiple: int = 32
    """Number that the sides of its input must be divisible by; other maps are padded and its output is cropped."""
    two_decoders: bool = True
    """Whether its decoder can have transposed convolutions or upsampling."""


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

_WITH_KERAS = ("segmentation_models", "classification_models", "efficientnet", "tensorflow.keras")
"""What keeps the Keras that it was imported with; by the start of the names of its modules."""
_UNIT = re.compile(r"stage\d+_unit\d+")
_COUNTER = re.compile(r"_\d+$")
_DECODER = re.compile(r"center_block|fpn_|segm_|psp_|aggregation|upsampling_stage|final_")


def zoo_network(
    x, network: str, encoder: str, decoder: str, masks: int, prefix: str, argument: str = "linknet_encoder"
):
    """Apply a network of segmentation-models, with fresh weights, to a map of any number of channels.

    Layer names: `{prefix}_stage1_unit1_conv1` in the encoder, `decoder_stage1a_conv` in the decoder, `head_conv` last.
    PSPNet wants sides divisible by 48: it reads the map in a frame of zeros (128 in 144, 256 in 288 pixels), and its
    output is cropped.

    Args:
        x: Keras tensor (batch, S, S, C), S a multiple of 32.
        network: a row of `NETWORKS`.
        encoder: one of `ENCODERS`.
        decoder: "transpose" or "upsampling", how LinkNet and U-Net double their resolution; not read by the others.
        masks: number of output channels.
        prefix: first part of the encoder's names.
        argument: name of `encoder` in errors.

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
        require(value in known, name, f"one of {sorted(known)}", value)
    if x.shape[1] % 32 or x.shape[2] % 32:
        raise ValueError(f"the fused map must have sides that are multiples of 32. Received: shape={tuple(x.shape)}")
    row = NETWORKS[network]
    missing = [-side % row.multiple for side in x.shape[1:3]]
    frame = tuple((pixels // 2, pixels - pixels // 2) for pixels in missing)
    if any(missing):
        x = layers.ZeroPadding2D(frame, name=f"{prefix}_frame")(x)
    build = getattr(load_segmentation_models(), row.builder)
    kind = {"decoder_block_type": decoder} if row.two_decoders else {}
    model = build(encoder, tuple(x.shape[1:]), classes=masks, activation="linear", encoder_weights=None, **kind)
    logits = replay(model, x, _names_with_head(model, prefix))
    return layers.Cropping2D(frame, name="head_crop")(logits) if any(missing) else logits


@cache
def load_segmentation_models() -> ModuleType:
    """Import a copy of segmentation-models that builds Keras 3 layers, whatever the process has imported before.

    It builds with the Keras that `tf.keras` is when it is imported: Keras 2 where tensorflow_model_optimization came
    first. A copy that a user imported stays as it is. Without SM_FRAMEWORK it wants parts that Keras 3 lacks.
    """
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    found = tf.keras
    theirs = _forget(_WITH_KERAS)
    tf.keras = sys.modules["tensorflow.keras"] = importlib.import_module("keras._tf_keras.keras")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it greets on import
            return importlib.import_module("segmentation_models")
    finally:
        tf.keras = found
        _forget(_WITH_KERAS)
        sys.modules.update(theirs)


def _forget(packages: tuple[str, ...]) -> dict[str, ModuleType]:
    """Take the modules of packages from those imported; returns them by name."""
    names = [name for name in sys.modules if name.startswith(packages)]
    return {name: sys.modules.pop(name) for name in names}


def stable_names(model: keras.Model, prefix: str) -> dict[str, str]:
    """Name each layer of a model independently of what else the process has built.

    Given names are kept; names that Keras counts up (`add_7`) are replaced by the unit the layer stands in and its
    kind (`stage2_unit1_add`). The decoder's names start with `decoder_` (`decoder_stage1a_conv`), all others with the
    prefix.

    Args:
        model: a network of segmentation-models.
        prefix: first part of the encoder's names.

    Returns:
        Old name -> new name.
    """
    names, counts, place = {}, Counter(), "input"
    for layer in model.layers:
        kind = type(layer).__name__
        if _COUNTER.sub("", layer.name).replace("_", "") == kind.lower():
            name = f"{place}_{'pad' if kind == 'ZeroPadding2D' else kind.lower()}"
        else:
            name = layer.name
            unit = _UNIT.match(name)
            place = unit.group() if unit else name
        if not name.startswith("decoder_"):
            name = f"decoder_{name}" if _DECODER.match(name) else f"{prefix}_{name}"
        counts[name] += 1
        names[layer.name] = f"{name}_{counts[name]}" if counts[name] > 1 else name
    return names


def _names_with_head(model: keras.Model, prefix: str) -> dict[str, str]:
    """Give `stable_names`, but `head_conv` for the last convolution and `head_logits` for the last layer."""
    last = [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)][-1]
    return stable_names(model, prefix) | {last: "head_conv"} | {model.layers[-1].name: "head_logits"}


def replay(model: keras.Model, x, names: dict[str, str]):
    """Lay copies of the layers of a one-input, one-output model on top of `x`, wired as they are.

    The copies have fresh weights. Batch normalisation becomes `FusedBatchNormalization`.

    Args:
        model: made of Keras' own layers, and of those of segmentation-models that have a stand-in.
        x: Keras tensor in the shape of the model's input, but for the number of channels.
        names: layer of `model` -> name of its copy.

    Returns:
        Keras tensor, the output of the last copy.

    Raises:
        ValueError: a Lambda or a layer of another package, which would not load again in safe mode.
    """
    replayed = {id(model.input): x}
    for layer in model.layers[1:]:
        copy = _copy(layer, names[layer.name])
        replayed[id(layer.output)] = copy(tree.map_structure(lambda tensor: replayed[id(tensor)], layer.input))
    return replayed[id(model.output)]


def _copy(layer, name: str) -> Callable:
    """Make a layer of Keras' own that computes what this one does, with fresh weights."""
    kind = type(layer)
    if kind is layers.Lambda:
        return _stand_in(layer, name)
    config = layer.get_config() | {"name": name}
    if kind.__name__ == "FixedDropout":
        return layers.Dropout.from_config(config)
    if kind is layers.BatchNormalization:
        return FusedBatchNormalization.from_config(config)
    if kind is layers.UpSampling2D and layer.interpolation == "bilinear":
        return bilinear_enlarging(layer.size, name)
    if kind is layers.Activation and layer.activation.__module__ == "efficientnet.model":
        return layers.Activation.from_config(config | {"activation": "swish"})
    if not kind.__module__.startswith("keras."):
        raise _unloadable(layer)
    return kind.from_config(config)


def _stand_in(layer, name: str) -> Callable:
    """Replace the two Lambdas of the packages that encoders come from by layers of Keras' own."""
    function = layer.function
    if (function.__module__, function.__name__) == ("classification_models.models._common_blocks", "expand_dims"):
        return layers.Reshape((1, 1, layer.input.shape[-1]), name=name)
    if function.__module__ == "segmentation_models.backbones.inception_resnet_v2":
        scaled = layers.Rescaling(layer.arguments["scale"], name=f"{name}_scale")
        added = layers.Add(name=name)
        return lambda inputs: added([inputs[0], scaled(inputs[1])])
    raise _unloadable(layer)


def _unloadable(layer) -> ValueError:
    """Name a layer that a stored model could not be loaded with."""
    return ValueError(
        "model must be made of Keras' own layers and no Lambda, or its file could not be loaded elsewhere. "
        f"Received: {layer.name!r} of {type(layer)}"
    )
