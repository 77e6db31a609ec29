"""Writes a network as a SavedModel that TF Serving takes: named tensors, whole scans, guards, warm-up requests."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from spine_tf.config import PREDICTION_BATCH, VIEWS, PreprocessSpec
from spine_tf.export.signatures import make_signatures
from spine_tf.support.device import without_infos

WARMUP = Path("assets.extra/tf_serving_warmup_requests")
"""Where TF Serving looks for requests that it runs before it says that a model is there."""

WARMUP_VOXELS = 48
"""Side of the volume that is segmented as a warm-up."""


def export_saved_model(
    model: keras.Model,
    spec: PreprocessSpec,
    metadata: dict,
    folder: Path,
    *,
    batch_size: int = PREDICTION_BATCH,
    batched: bool = False,
) -> None:
    """Write a SavedModel with the signatures of `signatures.make_signatures` and its warm-up requests.

    Args:
        model: the network.
        spec: its pre-processing.
        metadata: what `describe` answers.
        folder: gets saved_model.pb and what belongs to it.
        batch_size: triplets the network gets at once inside a volume.
        batched: `serving_default` alone, for a server that joins requests along their first axis.

    Example:
        >>> views = {view: keras.Input((32, 32, 3), name=view) for view in VIEWS}
        >>> model = keras.Model(views, keras.layers.Average()(list(views.values())))
        >>> export_saved_model(model, PreprocessSpec(image_size=32), {}, Path("spine/1"), batched=True)
        >>> list(tf.saved_model.load("spine/1").signatures)
        ['serving_default']
    """
    # `track(model)` would store every variable twice (keras-team/keras#23553); what endpoints use is tracked anyway.
    archive = keras.export.ExportArchive()
    signatures = make_signatures(model, spec, metadata, batch_size)
    if batched:
        signatures = {"serving_default": signatures["serving_default"]}
    for name, (function, inputs) in signatures.items():
        archive.add_endpoint(name, function, inputs)
    with without_infos():
        archive.write_out(str(folder), verbose=False)
    _write_warmup(Path(folder) / WARMUP, spec, set(signatures))


def _write_warmup(path: Path, spec: PreprocessSpec, names: set[str]) -> None:
    """Write one request for each signature, as a TFRecord of PredictionLog."""
    # Imported here: the package brings all of TensorFlow's protocol buffers, which only an export needs.
    from tensorflow_serving.apis import prediction_log_pb2

    path.parent.mkdir(parents=True, exist_ok=True)
    hu = np.zeros((WARMUP_VOXELS,) * 3, np.int16)
    inputs = {
        "serving_default": dict.fromkeys(VIEWS, np.zeros((1, spec.image_size, spec.image_size, 3), np.float32)),
        "segment_volume": {"hu": hu},
        "segment_volume_mm": {"hu": hu, "spacing_mm": np.ones(3, np.float32)},
        "describe": {"ask": np.int32(0)},
    }
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name in sorted(names & set(inputs)):
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = name
            for key, value in inputs[name].items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())
