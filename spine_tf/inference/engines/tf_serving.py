"""A server with TF Serving's API as an engine: triplets over gRPC or REST, whole scans over gRPC."""

import numpy as np

from spine_tf.config import PREDICTION_BATCH, VIEWS, PreprocessSpec, spec_from_dict
from spine_tf.inference.engines.engine import Engine
from spine_tf.inference.engines.tf_serving_call import Address, one_line, parse_address
from spine_tf.support.errors import ModelError
from spine_tf.support.json_reading import parse_object

VOLUME_SIGNATURES = ("segment_volume_mm", "segment_volume")

MOST_BYTES = 2**31 - 2**20
"""Of a volume: a protocol buffer holds less than 2 GiB."""


def serving_engine(
    address: str,
    batch_size: int = PREDICTION_BATCH,
    *,
    deadline_s: float = 600.0,
    attempts: int = 5,
    compress: bool | None = None,
) -> Engine:
    """Ask a server what it serves and return it as an engine.

    The version that answers first is asked for from then on: its pre-processing is that of no other version.

    Args:
        address: `grpc://host:port/name[/version]`, `http://host:port/name[/version]` or `https://...`; without a
            version, the newest.
        batch_size: triplets in one request; more are sent as several.
        deadline_s: for one request, attempts included.
        attempts: while the server is unavailable; the waits between them double, from half a second. Whatever else
            goes wrong is not tried again.
        compress: gzip of gRPC messages, which costs some 0.1 s a megabyte; None: unless the server is on this machine.

    Returns:
        an engine; `volume` is None over REST, and where the model has no signature for whole scans.

    Raises:
        ValueError: an address of another form.
        ServerError: a server that does not answer in time, refuses, or answers something else; `predict` and `volume`
            raise it too.
        ModelError: the server's model, or its metadata, is none of this project; `predict` and `volume` raise it too.
    """
    where = parse_address(address)
    # Imported here: TF Serving's stubs bring all of TensorFlow, which REST does not need.
    if where.scheme == "grpc":
        from spine_tf.inference.engines.tf_serving_grpc import connect

        here = where.host in ("localhost", "127.0.0.1", "::1")
        pinned, signatures, run = connect(where, deadline_s, attempts, compress if compress is not None else not here)
    else:
        from spine_tf.inference.engines.tf_serving_rest import connect

        pinned, signatures, run = connect(where, deadline_s, attempts)
    if not {"describe", "serving_default"} <= set(signatures):
        raise _unfit(where, "the signatures describe and serving_default", sorted(signatures))
    metadata = _describe(where, signatures["describe"], run)
    try:
        spec = spec_from_dict(PreprocessSpec, metadata["preprocess"])
    except (TypeError, ValueError) as error:
        raise _unfit(where, "metadata whose pre-processing is valid", error) from None

    def predict(*views: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(views[0]), batch_size):
            batch = {view: v[start : start + batch_size] for view, v in zip(VIEWS, views, strict=True)}
            inputs = {view: np.asarray(v, np.float32) for view, v in batch.items()}
            parts.append(_output(where, run("serving_default", inputs), "mask", inputs["axial"].shape))
        return np.concatenate(parts).astype(np.float32, copy=False)

    name = next((one for one in VOLUME_SIGNATURES if one in signatures), None)
    if where.scheme != "grpc" or name is None:
        return Engine(predict, spec, metadata, str(pinned))

    def volume(hu: np.ndarray, spacing_mm: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        if 2 * hu.size > MOST_BYTES:
            raise ValueError(f"volume must have at most {MOST_BYTES // 2} voxels for a server. Received: {hu.shape}")
        limits = np.iinfo(np.int16)
        inputs = {"hu": np.clip(np.rint(hu), limits.min, limits.max).astype(np.int16)}
        if name == "segment_volume_mm":
            inputs["spacing_mm"] = np.asarray(spacing_mm, np.float32)
        found = run(name, inputs)
        probability, mask = (_output(where, found, one, hu.shape) for one in ("probability", "mask"))
        return probability.astype(np.float32) / np.float32(255), mask.astype(bool)

    return Engine(predict, spec, metadata, str(pinned), volume)


def _describe(where: Address, inputs: dict[str, np.dtype], run) -> dict:
    """Ask `describe` for all of `metadata.json`."""
    if not inputs and where.scheme != "grpc":
        # TF Serving's json_tensor.cc refuses a signature without inputs: "Failed to get input map for signature".
        raise _unfit(where, "an input in its signature describe, to be asked over REST (use grpc://)", "none")
    asked = run("describe", {name: np.zeros((), dtype) for name, dtype in inputs.items()})
    values = np.asarray(asked.get("metadata", "")).reshape(-1)
    text = values[0] if values.size else ""
    try:
        metadata = parse_object(text if isinstance(text, bytes) else str(text))
        if not isinstance(metadata["preprocess"], dict):
            raise ValueError(f"preprocess={metadata['preprocess']!r}")
    except (ValueError, KeyError) as error:
        expected = "a signature describe that answers metadata.json with the key 'preprocess'"
        raise _unfit(where, expected, f"{str(text)[:80]} ({error})") from None
    return metadata


def _output(where: Address, outputs: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Take one output, which must be numbers (or truth values) of a shape."""
    found = outputs.get(name)
    if found is None or found.shape != shape or found.dtype.kind not in "biuf":
        received = sorted(outputs) if found is None else f"{found.dtype} {found.shape}"
        raise _unfit(where, f"the output {name} of the shape {tuple(shape)}, in numbers", received)
    return found


def _unfit(where: Address, expected: str, received) -> ModelError:
    return ModelError(f"the model at {where} must have {expected}. Received: {one_line(str(received))}")
