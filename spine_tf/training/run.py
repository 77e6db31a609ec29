"""A training run, from a Config to a folder with everything about it.

The folder holds config.json, split.json, cache/, checkpoints/, best.keras with its metadata.json, history.csv,
curves.png, tensorboard/ and report.json.
"""

import dataclasses
import json
import time
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from spine_tf.config import Config, config_from_dict, to_dict
from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.data.splits import Split, read_split, write_split
from spine_tf.inference.engines import load_engine
from spine_tf.inference.volume import segment
from spine_tf.scans.labels import spine_mask
from spine_tf.scoring import dice
from spine_tf.support.environment import environment, peak_memory_gib
from spine_tf.support.files import write_json
from spine_tf.training.checkpoint import latest_checkpoint, write_metadata
from spine_tf.training.history_plot import plot_history
from spine_tf.training.prune_settings import SETTINGS
from spine_tf.training.run_data import RunData, find_split, training_data

PRETRAINED = "pretrained.json"
"""In a run's folder: what its network started from (`models.pretrained.load_pretrained`)."""
THRESHOLDS = tuple(round(0.2 + 0.05 * i, 2) for i in range(13))
"""Candidates for the probability from which a voxel counts: 0.2, 0.25, ... 0.8."""


def start_folder(folder: Path, config: Config, resume: bool) -> None:
    """Claim a folder for a run, or check that a resumed run is still the same one.

    Raises:
        ValueError: the folder holds a run and `resume` is off, or `resume` is on and there is none, or its config
            differs in anything but the number of epochs, or in that where a cosine schedule was made for it.
    """
    path = Path(folder) / "config.json"
    if not resume:
        if path.exists():
            raise ValueError(f"run must be a new folder, or pass --resume to go on. Received: run={str(folder)!r}")
        write_json(path, to_dict(config))
        return
    if not path.exists():
        raise ValueError(f"run must hold a run to resume (config.json). Received: run={str(folder)!r}")
    stored = config_from_dict(json.loads(path.read_text()))
    changed = [
        f"{section.name}.{name}"
        for section in dataclasses.fields(Config)[1:]
        for name, value in to_dict(getattr(config, section.name)).items()
        if value != to_dict(getattr(stored, section.name))[name] and (name != "epochs" or stored.train.cosine)
    ]
    if changed:
        may = "a cosine schedule is made for its epochs" if stored.train.cosine else "only epochs may change"
        raise ValueError(f"a resumed run must keep its config ({may}). Received: changed {changed}")
    write_json(path, to_dict(config))


def train_run(
    config: Config,
    folder: Path,
    data_root: Path,
    *,
    resume: bool = False,
    max_minutes: float | None = None,
    checkpoint_seconds: float = 0.0,
) -> dict:
    """Train as configured and leave a model that predicts: best epoch, threshold from validation data, metadata.

    Args:
        folder: the run's own.
        data_root: where the embedded default keeps phantoms and sample CTs.
        resume: go on from the last checkpoint in `folder`.
        max_minutes: end training with the epoch in which this runs out.
        checkpoint_seconds: as `training.fit.fit` takes it.

    Where TF_CONFIG names several workers they train together; `folder` must be the same shared one for all.

    Returns:
        what `report.json` holds; of a worker that is not the chief, `training` and its number alone.

    Raises:
        ValueError: as `start_folder` and `find_split`; the folder is that of a pruned run; a worker is lost or
            trains something else.
    """
    from spine_tf.models.pretrained import read_pretrained
    from spine_tf.training.cluster import agree, chief_first, share_of, worker_index
    from spine_tf.training.fit import fit, prepare_process

    folder, start_seconds = Path(folder), time.monotonic()
    if (folder / SETTINGS).exists():
        raise ValueError(f"run must not be a pruned one; prune.py --resume goes on with it. Received: {str(folder)!r}")
    strategy = prepare_process(config.train)
    worker = worker_index(strategy)
    share = share_of(strategy, config.data.batch_size)
    # Before the folder is claimed for it.
    agree(strategy, "config", json.dumps(to_dict(config)))

    def start() -> tuple[list, Split, list[str]]:
        # Before the folder is claimed and the cases are read: weights may be out of reach.
        starts = [] if latest_checkpoint(folder) else read_pretrained(config, data_root)
        if worker == 0:
            start_folder(folder, config, resume)
        if resume and (folder / "split.json").exists():
            return starts, read_split(folder / "split.json"), []
        split, notes = find_split(config, data_root)
        if worker == 0:
            write_split(folder / "split.json", split)
        return starts, split, notes

    starts, split, notes = chief_first(strategy, start)
    found = latest_checkpoint(folder)
    same = {"split": _case_ids(split), "last checkpoint": found.name if found else None}
    for what, value in same.items():
        agree(strategy, what, json.dumps(value))
    for note in notes:
        print(note)
    # What a worker decodes and makes for itself is kept apart from the others'.
    own = folder / f"worker-{worker}" if worker else folder
    with training_data(config, own, data_root, split, share) as data:
        history, training = fit(
            build=partial(start_model, config, folder, starts, writes=worker == 0),
            dataset=data.dataset,
            steps=data.steps,
            validation=data.validation,
            train=config.train,
            folder=folder,
            strategy=strategy,
            max_minutes=max_minutes,
            checkpoint_seconds=checkpoint_seconds,
        )
    report = {"training": training, "worker": worker}
    if worker == 0:
        facts = {"notes": notes, "training": training}
        report = finish_run(config, folder, split, data, history, facts, start_seconds)
    # A launcher starts those again that failed: had the others left, a chief that died here would wait for them.
    agree(strategy, "the end", "")
    return report


def finish_run(
    config: Config,
    folder: Path,
    split: Split,
    data: RunData,
    history: list[dict],
    facts: dict,
    start: float,
    about: dict | None = None,
) -> dict:
    """Leave a model that predicts beside best.keras: curves, the threshold from validation cases, metadata, report.

    Args:
        history: as `training.fit.fit` returns it.
        facts: of the report; "training" among them, the facts that `fit` returns.
        start: `time.monotonic()` when the run started.
        about: further entries of metadata.json.

    Returns:
        what `report.json` holds.
    """
    spec = config.preprocess
    plot_history(folder / "curves.png", history)
    pretrained = json.loads((folder / PRETRAINED).read_text()) if (folder / PRETRAINED).exists() else []
    write_metadata(folder, {"preprocess": to_dict(spec), "model": to_dict(config.model)})
    threshold, threshold_scores = choose_threshold(folder, split.val)
    spec = dataclasses.replace(spec, threshold=threshold)
    scans = {role: [case.source for case in getattr(split, role)] for role in ("train", "val")}
    origin = {"sources": _counted(scans), "pretrained": pretrained}
    write_metadata(folder, {"preprocess": to_dict(spec), "model": to_dict(config.model)} | origin | (about or {}))
    report = {
        "config": to_dict(config),
        "cases": _case_ids(split),
        "pretrained": pretrained,
        "label_maps": [label_map.name for label_map in data.label_maps],
        **facts,
        "training": facts["training"] | {"last": history[-1] if history else None},
        "threshold": threshold,
        "threshold_dice": threshold_scores,
        "total_seconds": round(time.monotonic() - start, 1),
        "peak_memory_gib": round(peak_memory_gib(), 2),
        "environment": environment(),
    }
    write_json(folder / "report.json", _finite(report))
    return report


def start_model(config: Config, folder: Path, starts: list, writes: bool = True):
    """The network a run starts from; with `writes`, what it took over, from where, goes to `folder`/pretrained.json."""
    from spine_tf.models import build_model
    from spine_tf.models.pretrained import load_pretrained

    model = build_model(config.model, config.preprocess.image_size)
    records = load_pretrained(model, starts)
    for record in records:
        print(f"{record['flag']}: {record['layers']} layers start from {record['source']} ({record['licence']})")
        for left in ("unused", "fresh"):
            if record[left]:
                print(f"  {left}: {len(record[left])} layers, {', '.join(record[left][:5])} ...")
    if writes:
        write_json(folder / PRETRAINED, records)
    return model


def choose_threshold(folder: Path, cases: list[Case]) -> tuple[float, dict[str, float]]:
    """The probability threshold with the best mean Dice over whole validation volumes, and the mean Dice of each.

    Without validation cases it stays at 0.5: choosing it on training data would flatter it.
    """
    if not cases:
        return 0.5, {}
    engine = load_engine(folder)
    scores = []
    for case in tqdm(cases, desc="choosing the threshold", unit="case"):
        volume, labels = load_case(case)
        truth, probability = spine_mask(labels), segment(volume, engine, clean_up=False).probability
        scores.append([dice(truth, probability >= threshold) for threshold in THRESHOLDS])
    means = np.mean(scores, axis=0)
    best = THRESHOLDS[int(np.argmax(means))]
    return best, {f"{t:g}": round(float(m), 4) for t, m in zip(THRESHOLDS, means, strict=True)}


def _case_ids(split: Split) -> dict[str, list[str]]:
    return {role: [case.case_id for case in getattr(split, role)] for role in ("train", "val", "test")}


def _counted(scans: dict[str, list[str]]) -> dict[str, dict[str, int]]:
    return {role: {source: sources.count(source) for source in sorted(set(sources))} for role, sources in scans.items()}


def _finite(values):
    """NaN and infinity as their names: JSON has neither, and a report of a run that blew up must be written too."""
    if isinstance(values, dict):
        return {key: _finite(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_finite(value) for value in values]
    return repr(values) if isinstance(values, float) and not np.isfinite(values) else values
