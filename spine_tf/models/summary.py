"""Divides a built network into parts and stages, by its layers' names, and counts the parameters of each part.

A layer's name is its address: `axial_block2a_expand_conv`, `linknet_stage1_unit1_conv1`, `decoder_stage1a_conv`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import keras
from keras import tree

from spine_tf.support.tables import Table, plain_table

DECODERS = (
    (re.compile(r"decoder_fpn_"), "FPN"),
    (re.compile(r"decoder_psp_"), "PSPNet"),
    (re.compile(r"decoder_stage\d+c_"), "LinkNet"),
    (re.compile(r"decoder_stage\d+[ab]_"), "U-Net"),
    (re.compile(r"axial_layer\d+_"), "HyperDenseNet"),
)
"""Layers that only one network has, and its name; the first row that matches any layer counts."""
_PARTS = (
    (re.compile(r"(axial|coronal|sagittal)$"), "inputs"),
    (re.compile(r"[a-z]+_block\d+_(projection|resize)$|[a-z]+_fusion$|feature_map$"), "fusion"),
    (re.compile(r"(linknet|fpn|pspnet|unet)_"), "{network} encoder"),
    (re.compile(r"decoder_"), "{network} decoder"),
    (re.compile(r"head_|mask$"), "head"),
)
_BRANCH = re.compile(r"(axial|coronal|sagittal|shared)_")
_STREAM = re.compile(r"(axial|coronal|sagittal)_layer\d+_")
_PROJECTION = re.compile(r"[a-z]+_block\d+_projection$")
_BLOCK = re.compile(r"[a-z]+_(?P<block>block\d+)(?P<attention>_attention)?")
_STREAM_LAYER = re.compile(r"[a-z]+_(?P<stage>layer\d+)_")
_STAGE = re.compile(r"[a-z]+_(?P<stage>stage\d+)_unit(?P<unit>\d+)_(?P<layer>\w+)")
_DECODER_STAGE = re.compile(
    r"decoder_(?P<name>stage\d+|center|fpn_stage_p\d|segm_stage\d|psp_level\d|psp_concat|aggregation|final)"
)
_UPSAMPLING = re.compile(r"decoder_upsampling_stage(\d)")
_POOLING = re.compile(r"[a-z]+_(relu0_pad|pooling0)$")
"""A ResNet's pooling comes before its stage 1 and has no stage in its name, but the first skip starts before it."""
_OPENING = ("bn1", "relu1")
"""What opens the first unit of a ResNet's stage closes the stage before: skips start behind it."""
_REPETITION = re.compile(r"_((block\d+)[a-z]|(stage\d+)_unit\d+)_")


class Part(NamedTuple):
    """Holds a row of the parameter table."""

    part: str
    layers: int
    parameters: int


class Stage(NamedTuple):
    """Holds the layers of one part that are drawn as one box."""

    part: str
    name: str
    layers: tuple[keras.layers.Layer, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Output of the last layer: (height, width, channels)."""
        return tuple(self.layers[-1].output.shape[1:])

    @property
    def repetitions(self) -> int:
        """Number of inverted residuals of an EfficientNet block or of units of a ResNet stage; 0 for anything else."""
        found = (_REPETITION.search(layer.name) for layer in self.layers)
        return len({match[1] for match in found if match and self.name in (match[2], match[3])})

    @property
    def parameters(self) -> int:
        """Number of parameters, trainable or not."""
        return sum(layer.count_params() for layer in self.layers)


def network_name(layer_names: Iterable[str]) -> str:
    """Recognise "LinkNet", "FPN", "PSPNet", "U-Net" or "HyperDenseNet" by the layers that only it has.

    Returns:
        The name; "network" for any other.
    """
    names = list(layer_names)
    return next((network for pattern, network in DECODERS if any(map(pattern.match, names))), "network")


def part_of(layer_name: str, network: str = "LinkNet", branches: bool = True) -> str:
    """Find the part of the network that a layer belongs to, from its name; "other" for any other name.

    Args:
        layer_name: such as "axial_block2a_expand_conv".
        network: what the encoder and decoder are called, as `network_name` returns it.
        branches: whether there are branches before the network. Without, `shared_` begins the names of the encoder of
            a network of single slices.
    """
    if layer_name == "views_to_batch":
        return "fusion" if branches else "inputs"
    if not branches and layer_name.startswith("shared_"):
        return f"{network} encoder"
    if network == "PSPNet" and layer_name == "decoder_final_upsampling":
        return "head"  # it resizes the logits
    for pattern, part in _PARTS:
        if pattern.match(layer_name):
            return part.format(network=network)
    stream = _STREAM.match(layer_name)
    if stream:
        return f"{stream[1]} stream"
    branch = _BRANCH.match(layer_name)
    return f"{branch[1]} branch" if branch else "other"


def parts_of(layer_names: Iterable[str]) -> dict[str, str]:
    """Find the part of each layer (`part_of`); all names together tell which network it is.

    Args:
        layer_names: of all layers of one network.

    Returns:
        Layer -> part: "inputs"; "axial branch" or "shared branch" with "fusion", where there are branches; "axial
        stream" and so on of a HyperDenseNet; "LinkNet encoder" and "LinkNet decoder", or another network's; "head".
    """
    names = list(layer_names)
    network, branches = network_name(names), any(map(_PROJECTION.match, names))
    return {name: part_of(name, network, branches) for name in names}


def model_name(model: keras.Model) -> str:
    """Name a built network: "Attention LinkNet", "LinkNet", "stacked LinkNet", "HyperDenseNet" and so on.

    "Attention" stands for branches before the network, whatever their modules are; "stacked" for a network without
    branches that reads the slices of all views side by side.
    """
    names = [layer.name for layer in model.layers]
    network = network_name(names)
    if any(map(_PROJECTION.match, names)):
        return f"Attention {network}"
    return f"stacked {network}" if "feature_map" in names else network


def parameter_table(model: keras.Model) -> list[Part]:
    """Count layers and parameters of each part, in the order of the graph, branch by branch.

    Args:
        model: a network of `build_model`.

    Example:
        >>> from spine_tf.models import build_stacked_linknet
        >>> rows = parameter_table(build_stacked_linknet(32, linknet_encoder="resnet18"))
        >>> [row.part for row in rows]
        ['inputs', 'fusion', 'LinkNet encoder', 'LinkNet decoder', 'head']
    """
    parts, counts = parts_of(layer.name for layer in model.layers), defaultdict(list)
    for layer in model.layers:
        counts[parts[layer.name]].append(layer.count_params())
    return [Part(part, len(found), sum(found)) for part, found in counts.items()]


def format_table(rows: list[Part]) -> str:
    """Write the rows of `parameter_table` and their total as aligned text, one line each.

    Example:
        >>> print(format_table([Part("fusion", 2, 1500), Part("head", 1, 27)]))
        part      layers    parameters
        ------  --------  ------------
        fusion         2         1,500
        head           1            27
        total          3         1,527
    """
    total = Part("total", sum(row.layers for row in rows), sum(row.parameters for row in rows))
    cells = [(row.part, f"{row.layers:,}", f"{row.parameters:,}") for row in (*rows, total)]
    return plain_table(Table(Part._fields, cells, "lrr"))


def stages(model: keras.Model) -> dict[str, list[Stage]]:
    """Divide the layers of each part where a block or stage ends.

    Returns:
        Part -> its stages in the order of the graph, which are called

        - "stem", "block1", "block1_attention" and so on in a branch,
        - "stem", "stage1" and so on in an encoder, or "stride1", "stride2" and so on if it is no ResNet,
        - "layer1" and so on in a stream,
        - "stage0" and so on in a decoder, or "fpn_stage_p5", "segm_stage5", "aggregation", "psp_level1" and so on,
        - as the part itself for inputs, fusion and head, which have one stage each.
    """
    parts = parts_of(layer.name for layer in model.layers)
    resnet = any(_STAGE.match(layer.name) for layer in model.layers if parts[layer.name].endswith(" encoder"))
    made: dict[str, dict[str, list[keras.layers.Layer]]] = {}
    for layer in model.layers:
        part = parts[layer.name]
        known = made.setdefault(part, {})
        previous = list(known)[-1] if known else ("stem" if part.endswith(" encoder") else part)
        name = _stage_name(part, layer.name, previous)
        if part.endswith(" encoder") and not resnet and "_se_" not in layer.name:
            name = _stride_name(layer, known, previous)
        known.setdefault(name, []).append(layer)
    return {part: [Stage(part, name, tuple(found)) for name, found in known.items()] for part, known in made.items()}


def _stage_name(part: str, layer_name: str, previous: str) -> str:
    """Name the stage of a layer; one that says nothing about it belongs to the previous stage."""
    if part.endswith(" branch"):
        match = _BLOCK.match(layer_name)
        return match["block"] + (match["attention"] or "") if match else "stem"
    if part.endswith(" stream"):
        return _STREAM_LAYER.match(layer_name)["stage"]
    if part.endswith(" decoder"):
        resized = _UPSAMPLING.match(layer_name)
        match = _DECODER_STAGE.match(layer_name)
        return f"segm_stage{resized[1]}" if resized else match["name"] if match else previous
    if not part.endswith(" encoder"):
        return previous
    if _POOLING.match(layer_name):
        return "stage1"
    match = _STAGE.match(layer_name)
    if match is None or (match["unit"] == "1" and match["layer"] in _OPENING):
        return previous
    return match["stage"]


def _stride_name(layer, known: dict[str, list], previous: str) -> str:
    """Name a stage by its stride in the encoder, "stride4"; padded maps in between belong to the previous stage."""
    first = next(iter(known.values()))[0] if known else layer
    side = (first.output if first.name.endswith("_frame") else first.input).shape[1]
    return previous if side % layer.output.shape[1] else f"stride{side // layer.output.shape[1]}"


def links(model: keras.Model) -> list[tuple[Stage, Stage]]:
    """List pairs of stages of which the second reads a map of the first, each once, in the order of the graph."""
    placed = [(layer, stage) for row in stages(model).values() for stage in row for layer in stage.layers]
    owner = {id(layer.output): stage for layer, stage in placed}
    found: dict[tuple[str, str, str, str], tuple[Stage, Stage]] = {}
    for layer, stage in placed:
        for source in [owner[id(tensor)] for tensor in tree.flatten(layer.input)]:
            if source is not stage:
                found.setdefault((*source[:2], *stage[:2]), (source, stage))
    return list(found.values())
