"""Loads a network with the engine that its path asks for."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from spine_tf.config import PREDICTION_BATCH, PreprocessSpec, spec_from_dict
from spine_tf.inference.engines.engine import Engine
from spine_tf.inference.engines.lanes import in_lanes
from spine_tf.inference.engines.manifest import MANIFEST, checked_model
from spine_tf.inference.engines.model_files import METADATA, PUBLISHED_NETWORK, RUN_NETWORK, find_network
from spine_tf.inference.engines.saved_model import newest_version, saved_model_predictor
from spine_tf.support.device import quiet_loading
from spine_tf.support.errors import ModelError
from spine_tf.support.json_reading import read_json

ADDRESS = re.compile(r"[a-z]+://")


def load_engine(model: str | Path, batch_size: int = PREDICTION_BATCH, threads: int | None = None) -> Engine:
    """Load a network that predicts, by what its path is.

    Args:
        model: a `.keras` file, or a folder with one (`find_network`); a SavedModel folder, or one of its numbered
            versions; a `.tflite` file; each with its `metadata.json` beside it. Or the address of a server with TF
            Serving's API: `grpc://host:port/name[/version]`, `http://host:port/name[/version]`.
        batch_size: triplets the network gets at once; fewer are padded where that saves a trace.
        threads: of a `.tflite` file; None: all cores. TensorFlow's own are set by `device.use_device`.

    Raises:
        ModelError: no such model, no metadata beside it, metadata that does not fit, or a file that is not safe to load
            (an `.h5` file, a Lambda layer, unknown custom code, another content than its manifest says).
        ServerError: a server that does not answer, or refuses.
        ValueError: an address of another form, or a server's metadata that does not fit.

    Example:
        >>> load_engine("scan.nii.gz")
        Traceback (most recent call last):
        spine_tf.support.errors.ModelError: model must be a .keras or .tflite file, ... Received: model='scan.nii.gz'
        >>> from spine_tf.inference.engines import SHIPPED
        >>> load_engine(SHIPPED).spec.image_size
        128
    """
    # What runs a network is imported here, not above: --help and a refused model answer at once, and a machine needs
    # to have the one it uses only.
    if ADDRESS.match(str(model)):
        from spine_tf.inference.engines.tf_serving import serving_engine

        return serving_engine(str(model), batch_size)
    path = Path(model)
    if path.is_dir():
        path = find_network(path) or newest_version(path) or path
    is_file = path.suffix in (".keras", ".tflite") and path.is_file()
    if not is_file and newest_version(path) is None:
        folder = f"a folder that holds {RUN_NETWORK} or {PUBLISHED_NETWORK}"
        expected = f"a .keras or .tflite file, {folder}, a SavedModel, or an address grpc://host:port/name"
        raise ModelError(f"model must be {expected}. Received: model={str(model)!r}")
    facts = (path.parent if is_file else path) / METADATA
    with checked_model(path) as checked:
        metadata = read_metadata((checked.parent if is_file else checked) / METADATA)
        try:
            spec = spec_from_dict(PreprocessSpec, metadata["preprocess"])
        except (TypeError, ValueError) as error:
            raise ModelError(f"{facts}: {error}") from error
        with quiet_loading():
            predict, at_once = _predictor(checked, spec.image_size, batch_size, threads)
        # The manifest of a SavedModel has the digests of all of its files, and was compared with them.
        content = (checked if is_file else path / MANIFEST).read_bytes()
        digest = hashlib.sha256(content + json.dumps(metadata, sort_keys=True).encode())
    return Engine(predict, spec, metadata, path.name, at_once=at_once, sha256=digest.hexdigest())


def runs_here_on_tensorflow(model: str | Path) -> bool:
    """Tell whether this process needs TensorFlow to run a model: not for a `.tflite` file, nor for one of a server.

    Args:
        model: as `load_engine` takes it.

    Example:
        >>> runs_here_on_tensorflow("model.tflite"), runs_here_on_tensorflow("runs/paper")
        (False, True)
    """
    return Path(model).suffix != ".tflite" and not ADDRESS.match(str(model))


def _predictor(path: Path, image_size: int, batch_size: int, threads: int | None) -> tuple[Callable, int]:
    if path.suffix == ".keras":
        from spine_tf.inference.engines.keras_model import keras_predictor
        from spine_tf.support.device import batches_at_once

        lanes = batches_at_once()
        return keras_predictor(path, image_size, batch_size, lanes), lanes
    if path.suffix == ".tflite":
        from spine_tf.inference.engines.litert import litert_predictor

        predict = litert_predictor(path, image_size, batch_size, threads)
    else:
        predict = saved_model_predictor(path)
    return in_lanes(lambda: predict), 1


def read_metadata(path: Path) -> dict:
    """Read what travels with a model: `preprocess` (a PreprocessSpec's fields) and facts of its training.

    Args:
        path: of `metadata.json`.

    Returns:
        the JSON object.

    Raises:
        ModelError: no such file, no JSON, or no key "preprocess".
    """
    if not path.is_file():
        raise ModelError(
            f"{METADATA} must lie beside the model: without its pre-processing a network gives wrong masks. "
            f"Received: no file {str(path)!r}"
        )
    return read_json(path, error=ModelError, keys=["preprocess"])
