"""Which groups go: scores of filters to scores of groups, and the lowest of them up to the amount asked for.

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
    """The score of each group: the mean of its filters' scores, each divided by the mean of its layer.

    So filters of different layers can be compared: gradients of early and late ones differ by orders of magnitude.

    Args:
        scores: layer -> (filters,), as the criteria of `sensitivity` return it.

    Returns:
        (groups,) float64.
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
    """The groups to remove: those with the lowest scores, until they hold the share `amount` of the prunable filters.

    Args:
        scores: (groups,) from `group_scores`.
        amount: in [0, 1). Met as closely as whole groups, floor and multiple allow.
        scope: "global" compares all groups, so that the threshold tau is the amount-quantile over all filters;
            "layer" takes the same share from every layer (from layers that are coupled, together).
        floor: what every layer keeps at least (of each block of groups, see `Structure.blocks`), and one channel
            anyway: below 1 a share of its channels, from 1 on a number of channels. Without one, a large amount can
            leave a layer of 512 channels with a single one.
        multiple_of: what is kept of a block is a multiple of this, or all of it; widths for fast kernels.
        removed: groups that are already gone, or zero; they stay so and count.

    Returns:
        Numbers of groups, ascending, `removed` among them.

    Raises:
        ValueError: an argument out of its range, or a score that is not finite.
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
    taken = set(gone)
    blocks = [_chunks(structure, block, scores, gone, floor, multiple_of) for block in structure.blocks]
    if scope == "global":
        taken |= _take([chunk for chunks in blocks for chunk in chunks], _wanted(structure, amount, gone))
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
    """Groups of one block that go at once, and after those of the block's chunks before."""

    score: float
    block: int
    order: int
    size: int
    groups: tuple[int, ...]


def _filters(structure: Structure, groups: Iterable[int]) -> int:
    return sum(len(structure.groups[number].filters) for number in groups)


def _wanted(structure: Structure, amount: float, gone: set[int]) -> float:
    return amount * structure.prunable - _filters(structure, gone)


def _chunks(structure: Structure, block: list[int], scores, gone: set[int], floor: float, multiple_of: int):
    """What a block can lose, chunk by chunk, lowest scores first; what is kept stays a multiple and above the floor."""
    least = max(1, math.ceil(floor * len(block) - 1e-9) if floor < 1 else floor)
    order = sorted(block, key=lambda number: (number not in gone, scores[number], number))
    ends = [end for end in range(1, len(block) + 1) if (len(block) - end) % multiple_of == 0]
    chunks, start = [], 0
    for end in ends:
        if len(block) - end < least:
            break
        groups = tuple(number for number in order[start:end] if number not in gone)
        start = end
        if groups:
            size = _filters(structure, groups)
            chunks.append(_Chunk(float(np.mean(scores[list(groups)])), block[0], len(chunks), size, groups))
    return chunks


def _take(chunks: list[_Chunk], wanted: float) -> set[int]:
    """The lowest chunks that hold `wanted` filters, or as near as whole chunks come."""
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
