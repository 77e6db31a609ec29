"""Makes CT scans from label maps and from phantoms.

from spine_tf.data.synthesis import find_label_maps, make_synthetic

scan = make_synthetic(seed=7, maps=find_label_maps(Path("data")))
"""

from spine_tf.support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "LabelMap": "label_maps",
        "SyntheticScans": "on_the_fly",
        "find_label_maps": "label_maps",
        "make_synthetic": "make",
        "save_contact_sheet": "contact_sheet",
    },
)
