"""Makes CT scans from label maps and from phantoms.

from spine_tf.data.synthesis import find_label_maps, make_synthetic

scan = make_synthetic(seed=7, maps=find_label_maps(Path("data")))
"""

import importlib

_PUBLIC = {
    "LabelMap": "label_maps",
    "SyntheticScans": "on_the_fly",
    "find_label_maps": "label_maps",
    "make_synthetic": "make",
    "save_contact_sheet": "contact_sheet",
}
"""Public name -> the module of this package that defines it, imported when the name is first used."""

__all__ = [*_PUBLIC]


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
