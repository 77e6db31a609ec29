"""Chooses the groups to remove: those with the lowest scores, up to the amount asked for.

Source: paper, "Step 3: prune filters based on sensitivity": the filters whose sensitivity falls below a threshold,
where the amount p is the share of filters to be removed.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from spine_tf.pruning.groups import Structure

SCOPES = ("global", "layer")


def group_scores(structure: Structure, scores: dict[str, np.ndarray]) -> np.ndarray:
    """Score each group: the mean of its filters' scores, each divided by the mean of its layer.

    So filters of different layers can be compared: gradients of early and late ones differ by orders of magnitude.

    Args:
        structure: what `find_groups` returned.
        scores: layer -> (filters,), as the criteria of `sensitivity` return it.

    Returns:
        (groups,) float64.

    Example:
        >>> import keras
        >>> from spine_tf.pruning.groups import find_groups
        >>> dense = keras.layers.Dense
        >>> model = keras.Sequential([keras.Input((3,)), dense(2, name="a"), dense(1, name="b")])
        >>> group_scores(find_groups(model), {"a": [1.0, 3.0], "b": [5.0]})
        array([0.5, 1.5])
    """
    relative = {}
    for path in structure.filters:
        values = np.asarray(scores[path], np.float64)
        mean = values.mean()
        relative[path] = values / mean if mean > 0 else values
    return np.array([np.mean([relative[path][index] for path, index in group.filters]) for group in structure.groups])


def choose_groups(
    structure: Structure,
    scores: np.ndarray,
    amount: float,
    scope: str = "global",
    floor: float = 0.05,
    multiple_of: int = 1,
    removed: Iterable[int] = (),
) -> list[int]:
    """Choose the groups with the lowest scores, until they hold the share `amount` of the prunable filters.

    Source: paper, "Step 3: prune filters based on sensitivity".

    Args:
        structure: what `find_groups` returned.
        scores: (groups,) from `group_scores`.
        amount: in [0, 1). Met as closely as whole groups, floor and multiple allow.
        scope: "global" compares all groups: the threshold tau is the amount-quantile over all filters. "layer" removes
            the same share of every layer, or of layers that are coupled, together.
        floor: least that is kept of each block of groups (`Structure.blocks`), but never less than one channel. Below 1
            it is a share of the channels, from 1 on a number of channels. Without a floor, a large amount can leave a
            layer of 512 channels with a single one.
        multiple_of: the number of channels kept of a block is a multiple of this, unless all are kept. Some widths
            have faster kernels.
        removed: numbers of groups that are removed or zero already; they stay so and count.

    Returns:
        Numbers of groups, ascending, `removed` among them.

    Raises:
        ValueError: an argument out of its range, or a score that is not finite.

    Example:
        >>> import keras
        >>> from spine_tf.pruning.groups import find_groups
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
        >>> choose_groups(find_groups(model), np.array([0.4, 0.1, 0.3, 0.2]), amount=0.5)
        [1, 3]
    """
    if not 0 <= amount < 1:
        raise ValueError(f"amount must be in [0, 1). Received: amount={amount!r}")
    if scope not in SCOPES:
        raise ValueError(f"scope must be one of {SCOPES}. Received: scope={scope!r}")
    if floor < 0 or multiple_of < 1:
        raise ValueError(f"floor must not be negative, multiple_of at least 1. Received: {floor=}, {multiple_of=}")
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite. Received: {np.count_nonzero(~np.isfinite(scores))} that are not")
    gone = set(removed)
    taken = gone.copy()
    blocks = [_chunks(structure, block, scores, gone, floor, multiple_of) for block in structure.blocks]
    if scope == "global":
        wanted = amount * structure.prunable - _filters(structure, gone)
        taken |= _take([chunk for chunks in blocks for chunk in chunks], wanted)
    else:
        # What a block of three cannot give at an amount of a half, the next one gives.
        carry = 0.0
        for block, chunks in zip(structure.blocks, blocks, strict=True):
            largest = max((chunk.size for chunk in chunks), default=0)
            wanted = amount * _filters(structure, block) - _filters(structure, gone & set(block)) + carry
            chosen = _take(chunks, wanted)
            carry = float(np.clip(wanted - _filters(structure, chosen), -largest / 2, largest / 2))
            taken |= chosen
    return sorted(taken)


class _Chunk(NamedTuple):
    """Holds groups of one block that are removed in one step, after the block's earlier chunks."""

    score: float
    block: int
    order: int
    size: int
    groups: tuple[int, ...]


def _filters(structure: Structure, groups: Iterable[int]) -> int:
    """Count the filters of these groups."""
    return sum(len(structure.groups[number].filters) for number in groups)


def _chunks(structure: Structure, block: list[int], scores, gone: set[int], floor: float, multiple_of: int):
    """List what a block can lose, lowest scores first; what is kept is always a multiple and above the floor."""
    least = max(1, math.ceil(floor * (len(block) if floor < 1 else 1) - 1e-9))
    order = sorted(block, key=lambda number: (number not in gone, scores[number], number))
    ends = [end for end in range(1, len(block) - least + 1) if (len(block) - end) % multiple_of == 0]
    chunks, start = [], 0
    for end in ends:
        groups = tuple(number for number in order[start:end] if number not in gone)
        start = end
        if groups:
            size = _filters(structure, groups)
            chunks.append(_Chunk(float(np.mean(scores[list(groups)])), block[0], len(chunks), size, groups))
    return chunks


def _take(chunks: list[_Chunk], wanted: float) -> set[int]:
    """Take the lowest chunks that hold `wanted` filters, or as near as whole chunks come."""
    taken, stopped, left = set(), {}, wanted
    for chunk in sorted(chunks):
        if chunk.block in stopped:
            continue
        if chunk.size <= left + 1e-9:
            taken |= set(chunk.groups)
            left -= chunk.size
        else:
            stopped[chunk.block] = chunk
    nearer = [chunk for chunk in stopped.values() if chunk.size < 2 * left]
    if nearer:
        taken |= set(min(nearer).groups)
    return taken
