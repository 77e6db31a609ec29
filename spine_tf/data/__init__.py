"""Finds, splits, reads and feeds the cases that a network trains on: VerSe, sample CTs, phantoms, any pair of folders.

A case is one scan with its subject and, where it is known, its label map. Training draws triplets from it: one slice of
each view. The names below are imported when they are first used, since only those that feed a network need TensorFlow.
"""

import importlib

_PUBLIC = {
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
}
"""Public name -> the module of this package that defines it."""

__all__ = [*_PUBLIC]


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
