"""Clean-up of a predicted mask."""

import numpy as np
from scipy import ndimage


def drop_small_components(mask: np.ndarray, min_share: float = 0.1) -> np.ndarray:
    """Drop connected components (26 neighbours) smaller than a share of the largest.

    A spine is one long component or, where discs part it, a few of similar size; kidney stones, calcified vessels and
    rib ends are small ones. min_share=1 keeps the largest alone, 0 everything.

    Args:
        mask: (x, y, z) bool.
        min_share: in [0, 1].

    Returns:
        (x, y, z) bool.
    """
    if not 0 <= min_share <= 1:
        raise ValueError(f"min_share must be in [0, 1]. Received: min_share={min_share!r}")
    if min_share == 0 or not mask.any():
        return mask
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    labels, _ = ndimage.label(mask[box], structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept = np.zeros_like(mask)
    kept[box] = (sizes >= min_share * sizes.max())[labels] & mask[box]
    return kept
