"""The model that comes with spine_tf as a file of LiteRT, for the benchmarks that run it that way."""

from pathlib import Path


def write_shipped(path: Path, batch: int = 1) -> None:
    """Write it in float32, as `export.py` does, for batches of `batch` triplets."""
    from spine_tf.engines import SHIPPED
    from spine_tf.engines.folding import fold_normalization
    from spine_tf.engines.keras_model import load_safely
    from spine_tf.export.litert import write_litert

    network = load_safely(SHIPPED / "model.keras")
    fold_normalization(network)
    write_litert(network, path, "float32", batch=batch)
