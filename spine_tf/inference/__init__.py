"""Segments whole volumes with a trained network."""

from spine_tf.support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "SegmentedScan": "one_scan",
        "case_name": "outputs",
        "find_scans": "many_scans_input",
        "output_paths": "outputs",
        "predict_cases": "predict",
        "segment": "one_scan",
        "segment_many": "many_scans",
        "segment_volume": "volume",
    },
)
