"""Cases to train on and to score: VerSe, phantoms, sample CTs, and which of them may see which use."""

from spine_tf.data.cases import Case, spine_mask
from spine_tf.data.loading import load_case

__all__ = ["Case", "load_case", "spine_mask"]
