"""Gives the model that comes with spine_tf to the benchmarks: as a file of LiteRT, and in Keras after some scans."""

from pathlib import Path

import numpy as np


def write_shipped(path: Path, batch: int = 1) -> None:
    """Write it in float32, as `export.py` does, for batches of `batch` triplets."""
    from spine_tf.export.litert import write_litert
    from spine_tf.inference.engines import SHIPPED
    from spine_tf.inference.engines.keras_model import load_model
    from spine_tf.inference.engines.merging import merge_normalization
    from spine_tf.inference.engines.model_files import PUBLISHED_NETWORK

    network = load_model(SHIPPED / PUBLISHED_NETWORK)
    merge_normalization(network)
    write_litert(network, path, "float32", batch=batch)


def warm(engine) -> None:
    """Predict until all that the engine has at work at the same time is traced: none of it falls into a timed round."""
    from spine_tf.config import PREDICTION_BATCH
    from spine_tf.inference.engines.lanes import ALONE
    from spine_tf.views.backend import NumpyBackend

    views = [np.zeros((PREDICTION_BATCH, engine.spec.image_size, engine.spec.image_size, 3), np.float32)] * 3
    for _ in range(ALONE if engine.at_once > 1 else 1):
        engine.predict(*views)
    NumpyBackend(at_once=engine.at_once).batches(
        lambda start, stop: engine.predict(*views)[: stop - start], 4 * PREDICTION_BATCH, PREDICTION_BATCH
    )
