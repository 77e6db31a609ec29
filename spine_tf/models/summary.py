"""What a built network consists of, read from its layers: stages, and a table of parameters by part."""

import re
from typing import NamedTuple

import keras

_PARTS = (
    (re.compile(r"(axial|coronal|sagittal)$"), "inputs"),
    (re.compile(r"[a-z]+_block\d+_(projection|resize)$|[a-z]+_fusion$|feature_map$|views_to_batch$"), "fusion"),
    (re.compile(r"linknet_"), "LinkNet encoder"),
    (re.compile(r"decoder_"), "LinkNet decoder"),
    (re.compile(r"head_|mask$"), "head"),
)
_BRANCH = re.compile(r"(axial|coronal|sagittal|shared)_")
_BLOCK = re.compile(r"[a-z]+_(?P<block>block\d+)(?P<attention>_attention)?")
_STAGE = re.compile(r"(?:linknet|decoder)_(?P<stage>stage\d+)")
_POOLING = ("linknet_relu0_pad", "linknet_pooling0")
"""A ResNet's pooling comes before its stage 1 and has no stage in its name, but LinkNet's skip starts before it."""
_REPETITION = re.compile(r"_(block\d+[a-z]|stage\d+_unit\d+)_")


class Part(NamedTuple):
    """A row of the parameter table."""

    part: str
    layers: int
    parameters: int


class Stage(NamedTuple):
    """Consecutive layers of one part that are drawn as one box."""

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
        return len({match.group(1) for match in found if match})

    @property
    def parameters(self) -> int:
        """Trainable or not."""
        return sum(layer.count_params() for layer in self.layers)


def part_of(layer_name: str) -> str:
    """The part of the network that a layer belongs to, from its address; "other" for a name that is no address."""
    for pattern, part in _PARTS:
        if pattern.match(layer_name):
            return part
    branch = _BRANCH.match(layer_name)
    return f"{branch.group(1)} branch" if branch else "other"


def parameter_table(model: keras.Model) -> list[Part]:
    """Layers and parameters of each part, in the order of the graph; layers of three branches come branch by branch."""
    rows = {}
    for layer in model.layers:
        part = part_of(layer.name)
        old = rows.get(part, Part(part, 0, 0))
        rows[part] = Part(part, old.layers + 1, old.parameters + layer.count_params())
    return list(rows.values())


def format_table(rows: list[Part]) -> str:
    """The rows and their total as aligned text, one line each."""
    lines = [("part", "layers", "parameters")]
    lines += [(row.part, f"{row.layers:,}", f"{row.parameters:,}") for row in rows]
    lines += [("total", f"{sum(row.layers for row in rows):,}", f"{sum(row.parameters for row in rows):,}")]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in lines)


def _stage_name(part: str, layer_name: str, previous: str) -> str:
    if part.endswith("branch"):
        match = _BLOCK.match(layer_name)
        return match["block"] + (match["attention"] or "") if match else "stem"
    if layer_name in _POOLING:
        return "stage1"
    match = _STAGE.match(layer_name)
    return match["stage"] if match else previous


def stages(model: keras.Model) -> dict[str, list[Stage]]:
    """The layers of each part, cut where a block or stage ends.

    Returns:
        Part -> its stages in the order of the graph: "stem", "block1", "block1_attention", ... of a branch; "stem",
        "stage1", ... of LinkNet's encoder ("stride1", "stride2", ... if it is no ResNet); "stage0", ... of its decoder;
        one stage each, of the part's own name, for inputs, fusion and head.
    """
    found: dict[str, list[Stage]] = {}
    resnet = any(layer.name.startswith("linknet_stage") for layer in model.layers)
    side = model.get_layer("feature_map").output.shape[1]
    for layer in model.layers:
        part = part_of(layer.name)
        made = found.setdefault(part, [])
        first = "stem" if part == "LinkNet encoder" else part
        name = _stage_name(part, layer.name, made[-1].name if made else first)
        if part == "LinkNet encoder" and not resnet and side % layer.output.shape[1] == 0:
            name = f"stride{side // layer.output.shape[1]}"
        if made and made[-1].name == name:
            made[-1] = Stage(part, name, (*made[-1].layers, layer))
        else:
            made.append(Stage(part, name, (layer,)))
    return found
