"""Segments whole volumes with a trained network."""

import importlib

_PUBLIC = {
    "SegmentedScan": "one_scan",
    "case_name": "outputs",
    "find_scans": "many_scans_input",
    "output_paths": "outputs",
    "predict_cases": "predict",
    "segment": "one_scan",
    "segment_many": "many_scans",
    "segment_volume": "volume",
}
"""Public name -> the module beside this one that defines it; imported when it is first used."""

__all__ = list(_PUBLIC)


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
