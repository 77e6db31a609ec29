"""Cases to train on and to score: VerSe, phantoms, sample CTs, and which of them may see which use."""

from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.scans.labels import spine_mask

__all__ = ["Case", "load_case", "spine_mask"]
