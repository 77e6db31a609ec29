"""Describes a pruned run: which model, which filters go, how the rest is fine-tuned.

A field is a flag of `prune`, its docstring the flag's help.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spine_tf.config.checks import require, require_finite


@dataclass(frozen=True)
class PruneSettings:
    """One pruned run. Source: paper, "A gradient sensitivity based network pruning", Steps 2 to 5.

    Example:
        >>> PruneSettings(amount=0.3).criterion
        'gradient'
    """

    source: Path = Path("runs/train")
    """The folder of a trained run, or of a pruned one, which is pruned further."""
    amount: float = 0.5
    """Share of the prunable filters to remove (paper, Step 3: "the pruning amount p"; it gives no value)."""
    criterion: Literal["gradient", "magnitude", "taylor", "random"] = "gradient"
    """How filters are scored; `gradient` is the paper's (Step 2)."""
    scope: Literal["global", "layer"] = "global"
    """One threshold for all filters, or the same share of every layer; the paper does not say which."""
    multiple_of: int = 1
    """What a layer keeps is a multiple of this, for fast kernels."""
    calibration_batches: int = 16
    """Training batches over which filters are scored."""
    epochs: int = 10
    """Of fine-tuning (paper, Step 4, gives no number)."""
    learning_rate_factor: float = 0.1
    """Fine-tuning's learning rate, as a factor of the source's (paper, Step 4: "a reduced learning rate")."""
    loss: Literal["bce", "bce_dice"] = "bce"
    """Of fine-tuning, before the penalty; `bce` is the paper's (Step 4). Filters are scored with the source's loss."""
    penalty: Literal["l2", "l1"] = "l2"
    """R(W) of the convolution kernels, added to the loss; the paper (Step 4) leaves open which one."""
    penalty_weight: float = 1e-4
    """lambda, the factor of R(W); 0 switches it off."""
    control: bool = False
    """Prune nothing: train the source's network for the same further steps with the same settings, to compare with."""
    seed: int = 0
    """Of the calibration's and fine-tuning's triplets, and of the criterion `random`."""

    def __post_init__(self):
        require_finite(self)
        require(0 <= self.amount < 1, "amount", "in [0, 1)", self.amount)
        for name in ("multiple_of", "calibration_batches", "epochs", "learning_rate_factor"):
            require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        for name in ("penalty_weight", "seed"):
            require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
