"""Models to serve in tests: published as TF Serving wants them, with a models.config."""

import json
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from spine_tf.config import VIEWS, PreprocessSpec, to_dict

SPEC = PreprocessSpec(image_size=32, smoothing_mm=0.0, body_box=False)

CONFIG = """model_config_list {{
  config {{ name: "spine" base_path: "/models/spine" model_platform: "tensorflow" {policy} }}
}}
"""


def write_config(root: Path, policy: str = "model_version_policy { all {} }") -> Path:
    """A models.config for the model `spine` in a folder."""
    path = Path(root) / "models.config"
    path.write_text(CONFIG.format(policy=policy))
    return path


def publish_by_hand(
    root: Path, version: int, *, level: float = 0.5, asked: bool = True, signatures: set | None = None
) -> Path:
    """A servable of a few operations: a pixel above `level` is spine, a voxel of more than 500 HU too.

    Args:
        root: gets spine/<version>/.
        version: of it.
        level: tells versions apart.
        asked: whether `describe` has an input, as REST needs.
        signatures: to publish; None: all.
    """
    text = json.dumps({"preprocess": to_dict(SPEC), "level": level})

    def serving_default(axial, coronal, sagittal):
        good = tf.raw_ops.Assert(
            condition=tf.reduce_all(tf.math.is_finite(axial)), data=[tf.constant("axial must be finite")], summarize=1
        )
        with tf.control_dependencies([good]):
            pixels = tf.stack([view[..., 1] for view in (axial, coronal, sagittal)], axis=-1)
        return {"mask": tf.cast(pixels > level, tf.float32)}

    def segment_volume(hu):
        return {"probability": tf.cast(hu > 500, tf.uint8) * 255, "mask": tf.cast(hu > 500, tf.uint8)}

    def describe(ask=None):
        return {"metadata": tf.constant(text)}

    views = {view: tf.TensorSpec(None, tf.float32, view) for view in VIEWS}
    ask = [tf.TensorSpec(None, tf.int32, "ask")] if asked else []
    made = {
        "serving_default": tf.function(serving_default).get_concrete_function(**views),
        "segment_volume": tf.function(segment_volume).get_concrete_function(hu=tf.TensorSpec(None, tf.int16, "hu")),
        "describe": tf.function(describe).get_concrete_function(*ask),
    }
    made = {name: function for name, function in made.items() if signatures is None or name in signatures}
    folder = Path(root) / "spine" / str(version)
    tf.saved_model.save(tf.Module(), str(folder), signatures=made)
    return folder


@contextmanager
def serving(root: Path, *, delay_s: float = 0.0, options: tuple = (), port: int = 0):
    """A contract server in this process: its models, and the addresses of the model `spine` over gRPC and REST."""
    from tests.support.contract_rest import start_rest
    from tests.support.contract_server import Models, start_grpc

    models = Models(root / "models.config", root, delay_s)
    server, port = start_grpc(models, port, options)
    rest, rest_port = start_rest(models)
    try:
        yield models, f"grpc://127.0.0.1:{port}/spine", f"http://127.0.0.1:{rest_port}/spine"
    finally:
        server.stop(None).wait()
        rest.shutdown()
        rest.server_close()
