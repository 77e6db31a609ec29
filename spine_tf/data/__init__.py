"""Finds, splits, reads and feeds the cases that a network trains on: VerSe, sample CTs, phantoms, any pair of folders.

A case is one scan with its subject and, where it is known, its label map. Training draws triplets from it: one slice of
each view. The names below are imported when they are first used, since only those that feed a network need TensorFlow.
"""

from spine_tf.support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Case": "cases",
        "find_cases": "verse",
        "import_case": "convert",
        "load_case": "loading",
        "pair_globs": "verse",
        "prepare_shards": "shards_write",
        "read_centroids": "centroids",
        "read_split": "splits",
        "sample_cases": "sample_scans",
        "split_cases": "splits",
        "training_dataset": "pipeline",
        "validation_dataset": "pipeline",
    },
)
