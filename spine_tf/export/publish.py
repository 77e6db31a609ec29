"""Publishes a trained run as a model to give away: weights at half size, metadata, card and manifest."""

import os
import shutil
from pathlib import Path

import numpy as np

from spine_tf.config import PreprocessSpec, spec_from_dict
from spine_tf.data.splits import read_split
from spine_tf.data.synthesis.phantom import make_phantom
from spine_tf.inference.engines.keras_model import keras_predictor
from spine_tf.inference.engines.manifest import MANIFEST, write_manifest
from spine_tf.inference.engines.model_files import METADATA, PUBLISHED_NETWORK
from spine_tf.inference.volume import prediction_triplets
from spine_tf.models.float16 import write_half
from spine_tf.scans import volume_from_array
from spine_tf.scoring import markdown_table
from spine_tf.support.environment import describe_environment
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json, write_text
from spine_tf.support.json_reading import read_json
from spine_tf.training.run_folder import RunFolder

SHARE_ALIKE = "verse"
"""Word in the source or name of a scan or label map whose licence, CC BY-SA 4.0, asks for attribution beside what was
made from it."""

MOST_DIFFERENT = 0.02
"""Largest difference of a pixel's probability that rounding the weights may make, in slices of a phantom."""


def publish_run(run: Path, target: Path, largest_mb: float = 50.0) -> None:
    """Write `model.keras`, `metadata.json`, `README.md` (the card) and `manifest.json` of a run.

    Args:
        run: a run's folder, trained and evaluated: with report.json and evaluation/scores.json.
        target: the model's folder; its last name is the model's.
        largest_mb: a larger file is not published.

    Raises:
        RunError: the run is not finished or not evaluated.
        ValueError: the file is too large, or its masks differ from the run's own by more than float16 explains.
    """
    source, target = RunFolder(run), Path(target)
    wanted = (source.network, source.metadata, source.report, source.scores)
    missing = [str(path.relative_to(source.path)) for path in wanted if not path.is_file()]
    if missing:
        raise RunError(f"run must be trained and evaluated. Received: {str(run)!r} without {missing}")
    metadata, report, rows = (read_json(path, list if path == source.scores else dict) for path in wanted[1:])
    spec = spec_from_dict(PreprocessSpec, metadata["preprocess"])
    part = target.with_name(f".{target.name}.part")
    try:
        network = part / PUBLISHED_NETWORK
        write_half(source.network, network)
        size_mb = network.stat().st_size / 1e6
        if size_mb > largest_mb:
            raise ValueError(f"the model must have at most {largest_mb:g} MB. Received: {size_mb:.1f} MB")
        difference = _difference(source.network, network, spec)
        if difference > MOST_DIFFERENT:
            raise ValueError(
                f"probabilities must stay within {MOST_DIFFERENT:g} of the run's. Received: {difference:.4f}"
            )
        metadata |= {
            "training": report["training"],
            "environment": describe_environment(),
            "float16_difference": difference,
        }
        write_json(part / METADATA, metadata)
        write_text(part / "README.md", model_card(target.name, run, report, rows, size_mb))
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(part.iterdir()):
            os.replace(path, target / path.name)
        # Of what is given away: numbered exports may lie in the same folder, each with a manifest of its own.
        write_manifest(
            target, sorted(path.name for path in target.iterdir() if path.is_file() and path.name != MANIFEST)
        )
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _difference(whole: Path, half: Path, spec: PreprocessSpec) -> float:
    """Measure the largest difference of two networks' probabilities on triplets of a phantom."""
    scan, steps = make_phantom(0, spacing_mm=2.0), 16
    views = prediction_triplets(volume_from_array(scan.hu, np.diag([*scan.spacing_mm, 1.0])), spec, steps)
    one, two = (keras_predictor(path, spec.image_size, steps)(*views) for path in (whole, half))
    return float(np.abs(one - two).max())


def model_card(name: str, run: Path, report: dict, rows: list[dict], size_mb: float) -> str:
    """Write the model card as Markdown: purpose, data with licences, scores on scans it never saw, limits."""
    split, config = read_split(RunFolder(run).split), report["config"]
    trained = [case for case in split.train if not case.source.startswith("phantom")]
    held_out = {row["case"] for row in rows if row["role"] == "held out" and not row["case"].startswith("mean")}
    scores = [row for row in rows if row["role"] == "held out"]
    training, made = report["training"], report["environment"]
    lines = [
        f"# {name}",
        "",
        "Segments the spine in CT: vertebrae C1 to L6 with their arches, as one class. **Not for diagnostic use.**",
        "",
        f"- Network: {config['model']['encoder']} for the three views "
        f"({'shared' if config['model']['share_branches'] else 'one each'}), {config['model']['attention']} attention, "
        f"LinkNet with {config['model']['linknet_encoder']}; {size_mb:.0f} MB, weights stored as float16.",
        f"- Pre-processing (travels in `metadata.json`): {_preprocessing(config['preprocess'])}; threshold "
        f"{report['threshold']:g}.",
        f"- Made by spine_tf {made['spine_tf']}, commit {made['git_commit']}: {training['epochs']} epochs, "
        f"{training['seconds'] / 60:.0f} minutes on {made['cores']} cores ({made['processor']}), seed "
        f"{config['train']['seed']}.",
        "",
        "## Data",
        "",
        *(f"- {case.case_id}: {case.source}" for case in trained),
        f"- synthetic scans, made by spine_tf: {config['data']['synthetic']} new ones in every epoch, of phantoms and "
        f"of the label maps of {', '.join(report['label_maps']) or 'nobody'}.",
        *(
            f"- start of the {start['flag'].removesuffix('_weights')}: {start['source']} ({start['licence']})"
            for start in report["pretrained"]
        ),
        "",
        f"Never seen in training: {', '.join(sorted(held_out))}.",
    ]
    origins = [text for case in trained for text in (case.source, case.case_id)] + report["label_maps"]
    if any(SHARE_ALIKE in text.lower() for text in origins):
        lines += [
            "",
            "Scans of VerSe (Sekuboyina et al., Medical Image Analysis 73, 2021; Löffler et al., Radiology: Artificial "
            "Intelligence 2, 2020; Liebl et al., Scientific Data 8, 2021) trained these weights. VerSe is licensed "
            "under [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/); the weights are shared under the "
            "same licence, the code under Apache-2.0.",
        ]
    lines += [
        "",
        "## Scores on scans it never saw",
        "",
        markdown_table(scores),
        "",
        "`HU threshold` is the best of six thresholds chosen with the truth, its largest component, closed: an upper "
        "bound of what a threshold does. Phantoms are synthetic.",
        "",
        "## Limits",
        "",
        "Trained on a handful of real scans and much synthetic CT. Expect errors in what these do not show: children, "
        "implants, unusual postures, scanners' artefacts, strong contrast medium. One class: no vertebra is told from "
        "another. Look at every mask.",
        "",
    ]
    return "\n".join(lines)


def _preprocessing(spec: dict) -> str:
    low, high = spec["window_hu"]
    size = f"{spec['image_size']} x {spec['image_size']}"
    pixels = f"isotropic pixels of {spec['pixel_mm']:g} mm" if spec["pixel_mm"] else "each slice resized"
    looks = ", coarse to fine" if spec["coarse_to_fine"] else ""
    return f"{low:g} to {high:g} HU, {size}, {pixels}{looks}"
