"""What a built network consists of, read from its layers: parts, stages, and a table of parameters by part."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import keras

from spine_tf.support.tables import Table, plain_table

DECODERS = (
    (re.compile(r"decoder_fpn_"), "FPN"),
    (re.compile(r"decoder_psp_"), "PSPNet"),
    (re.compile(r"decoder_stage\d+c_"), "LinkNet"),
    (re.compile(r"decoder_stage\d+[ab]_"), "U-Net"),
    (re.compile(r"axial_layer\d+_"), "HyperDenseNet"),
)
"""Layers that only one network has, and its name; the first row that is met counts."""
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
    """A row of the parameter table."""

    part: str
    layers: int
    parameters: int


class Stage(NamedTuple):
    """Layers of one part that are drawn as one box."""

    part: str
    name: str
    layers: tuple[keras.layers.Layer, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels of the last layer's output."""
        return tuple(self.layers[-1].output.shape[1:])

    @property
    def repetitions(self) -> int:
        """Inverted residuals of an EfficientNet block, units of a ResNet stage; 0 for anything else."""
        found = (_REPETITION.search(layer.name) for layer in self.layers)
        return len({match[1] for match in found if match and self.name in (match[2], match[3])})

    @property
    def parameters(self) -> int:
        """Trainable or not."""
        return sum(layer.count_params() for layer in self.layers)


def network_name(layer_names: Iterable[str]) -> str:
    """ "LinkNet", "FPN", "PSPNet", "U-Net" or "HyperDenseNet", from the layers that only it has; else "network"."""
    names = list(layer_names)
    for pattern, network in DECODERS:
        if any(pattern.match(name) for name in names):
            return network
    return "network"


def part_of(layer_name: str, network: str = "LinkNet", branches: bool = True) -> str:
    """The part of the network that a layer belongs to, from its address; "other" for a name that is no address.

    Args:
        network: what its encoder and decoder are called, as `network_name` tells.
        branches: False: `shared_` is the encoder of a network of single slices, not a branch before another network.
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
    """Layer -> its part (`part_of`), the names of the parts told from all the layers of one network.

    Returns:
        "inputs"; "axial branch" or "shared branch" with "fusion", where there are branches; "axial stream" and so on of
        a HyperDenseNet; "LinkNet encoder" and "LinkNet decoder", or another network's; "head".
    """
    names = list(layer_names)
    network, branches = network_name(names), any(_PROJECTION.match(name) for name in names)
    return {name: part_of(name, network, branches) for name in names}


def model_name(model: keras.Model) -> str:
    """What a built network is called: "Attention LinkNet", "LinkNet", "stacked LinkNet", "HyperDenseNet" ...

    "Attention" stands for branches before the network, whatever their modules are; "stacked" for a network without
    branches that reads the slices of all views side by side.
    """
    names = [layer.name for layer in model.layers]
    network = network_name(names)
    if any(_PROJECTION.match(name) for name in names):
        return f"Attention {network}"
    return f"stacked {network}" if "feature_map" in names else network


def parameter_table(model: keras.Model) -> list[Part]:
    """Layers and parameters of each part, in the order of the graph; layers of three branches come branch by branch."""
    parts, rows = parts_of(layer.name for layer in model.layers), {}
    for layer in model.layers:
        part = parts[layer.name]
        old = rows.get(part, Part(part, 0, 0))
        rows[part] = Part(part, old.layers + 1, old.parameters + layer.count_params())
    return list(rows.values())


def format_table(rows: list[Part]) -> str:
    """The rows and their total as aligned text, one line each."""
    total = Part("total", sum(row.layers for row in rows), sum(row.parameters for row in rows))
    cells = [(row.part, f"{row.layers:,}", f"{row.parameters:,}") for row in (*rows, total)]
    return plain_table(Table(Part._fields, cells, "lrr"))


def stages(model: keras.Model) -> dict[str, list[Stage]]:
    """The layers of each part, cut where a block or stage ends.

    Returns:
        Part -> its stages in the order of the graph: "stem", "block1", "block1_attention", ... of a branch; "stem",
        "stage1", ... of an encoder ("stride1", "stride2", ... if it is no ResNet); "layer1", ... of a stream; of a
        decoder "stage0", ..., or a pyramid's "fpn_stage_p5", "segm_stage5", "aggregation", ..., or "psp_level1", ...;
        one stage each, of the part's own name, for inputs, fusion and head.
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
    """ "stride4" where a map has a quarter of the side of the map that the encoder reads; sides in between, of padded
    maps, belong to what is before."""
    first = next(iter(known.values()))[0] if known else layer
    side = (first.output if first.name.endswith("_frame") else first.input).shape[1]
    return previous if side % layer.output.shape[1] else f"stride{side // layer.output.shape[1]}"


def links(model: keras.Model) -> list[tuple[Stage, Stage]]:
    """Pairs of stages of which the second reads a map of the first, each once, in the order of the graph."""
    owner = {}
    found: dict[tuple[str, str, str, str], tuple[Stage, Stage]] = {}
    everything = [stage for row in stages(model).values() for stage in row]
    for stage in everything:
        owner |= {id(layer.output): stage for layer in stage.layers}
    for stage in everything:
        for layer in stage.layers:
            read = layer.input if isinstance(layer.input, list) else [layer.input]
            for source in [owner[id(tensor)] for tensor in read]:
                if source is not stage:
                    found.setdefault((*source[:2], *stage[:2]), (source, stage))
    return list(found.values())
