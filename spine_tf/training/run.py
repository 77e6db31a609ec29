"""Trains a run, from a Config to a folder with everything about it (`run_folder.RunFolder`)."""

import dataclasses
import json
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from spine_tf.config import Config, to_dict
from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.data.splits import ROLES, Split, read_split, write_split
from spine_tf.inference.engines import load_engine
from spine_tf.inference.volume import segment_volume
from spine_tf.models import build_model
from spine_tf.models.pretrained import load_pretrained, read_pretrained
from spine_tf.scans.labels import spine_mask
from spine_tf.scoring import dice
from spine_tf.support.environment import describe_environment, peak_memory_gib
from spine_tf.support.errors import RunError
from spine_tf.support.files import json_values, write_json
from spine_tf.support.progress import progress_bar, say
from spine_tf.training.checkpoint import write_metadata
from spine_tf.training.checkpoint_files import latest_checkpoint
from spine_tf.training.cluster import agree, chief_first, share_of, worker_index
from spine_tf.training.fit import fit_model, prepare_process
from spine_tf.training.history_plot import plot_history
from spine_tf.training.run_data import RunData, find_split, training_data
from spine_tf.training.run_folder import RunFolder
from spine_tf.training.run_start import start_folder

THRESHOLDS = tuple(round(0.2 + 0.05 * i, 2) for i in range(13))
"""Candidates for the probability from which a voxel counts: 0.2, 0.25, ... 0.8."""


def train_run(
    config: Config,
    folder: Path,
    data_root: Path = Path("data"),
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
        checkpoint_seconds: as `training.fit.fit_model` takes it.

    Where TF_CONFIG names several workers they train together; `folder` must be the same shared one for all.

    Returns:
        what `report.json` holds; of a worker that is not the chief, `training` and its number alone.

    Raises:
        RunError: as `start_folder`; the folder is that of a pruned run.
        WorkerError: a worker is lost or trains something else.
        ValueError: as `find_split`.

    Example:
        >>> from spine_tf.config import PRESETS
        >>> train_run(PRESETS["tiny"], "run", "data")["training"]["epochs"]  # doctest: +SKIP
        2
    """
    folder, run, start_seconds = Path(folder), RunFolder(folder), time.monotonic()
    if run.prune_settings.exists():
        raise RunError(f"run must not be a pruned one; prune.py --resume goes on with it. Received: {str(folder)!r}")
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
        if resume and (run.split.exists() or latest_checkpoint(folder)):
            return starts, read_split(run.split), []
        split, notes = find_split(config, data_root)
        if worker == 0:
            write_split(run.split, split)
        return starts, split, notes

    starts, split, notes = chief_first(strategy, start)
    found = latest_checkpoint(folder)
    same = {"split": _case_ids(split), "last checkpoint": found.name if found else None}
    for what, value in same.items():
        agree(strategy, what, json.dumps(value))
    for note in notes:
        say(note)
    # What a worker decodes and makes for itself is kept apart from the others'.
    own = run.of_worker(worker)
    with training_data(config, own.path, data_root, split, share) as data:
        history, training = fit_model(
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


def ensure_trained(config: Config, folder: Path, data_root: Path, **options) -> None:
    """Train a run unless it is finished; one that was interrupted goes on.

    Args:
        config, folder, data_root: as `train_run` takes them.
        **options: further ones of `train_run`, but for `resume`.

    Raises:
        ValueError: as `train_run`.
    """
    run = RunFolder(folder)
    if not run.finished:
        train_run(config, folder, data_root, resume=run.holds_run, **options)


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
        history: as `training.fit.fit_model` returns it.
        facts: of the report; "training" among them, the facts that `fit_model` returns.
        start: `time.monotonic()` when the run started.
        about: further entries of metadata.json.

    Returns:
        what `report.json` holds.
    """
    run, spec = RunFolder(folder), config.preprocess
    plot_history(run.curves, history)
    pretrained = run.read_pretrained()
    write_metadata(folder, {"preprocess": to_dict(spec), "model": to_dict(config.model)})
    threshold, threshold_scores = choose_threshold(folder, split.val)
    spec = dataclasses.replace(spec, threshold=threshold)
    counts = {role: Counter(case.source for case in getattr(split, role)) for role in ("train", "val")}
    sources = {role: dict(sorted(counted.items())) for role, counted in counts.items()}
    origin = {"sources": sources, "pretrained": pretrained}
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
        "environment": describe_environment(),
    }
    write_json(run.report, json_values(report))
    return report


def start_model(config: Config, folder: Path, starts: list, writes: bool = True):
    """Build the network that a run starts from; with `writes`, what it took over, from where, goes to its folder."""
    model = build_model(config.model, config.preprocess.image_size)
    records = load_pretrained(model, starts)
    for record in records:
        say(f"{record['flag']}: {record['layers']} layers start from {record['source']} ({record['licence']})")
        for left in ("unused", "fresh"):
            if record[left]:
                say(f"  {left}: {len(record[left])} layers, {', '.join(record[left][:5])} ...")
    if writes:
        write_json(RunFolder(folder).pretrained, records)
    return model


def choose_threshold(folder: Path, cases: list[Case]) -> tuple[float, dict[str, float]]:
    """Choose the probability threshold with the best mean Dice over whole validation volumes.

    Without validation cases it stays at 0.5: choosing it on training data would flatter it.

    Returns:
        The threshold, and the mean Dice of each candidate by its name.
    """
    if not cases:
        return 0.5, {}
    engine = load_engine(folder)
    scores = []
    for case in progress_bar(cases, desc="choosing the threshold", unit="case"):
        volume, labels = load_case(case)
        truth, probability = spine_mask(labels), segment_volume(volume, engine, clean_up=False).probability
        scores.append([dice(truth, probability >= threshold) for threshold in THRESHOLDS])
    means = np.mean(scores, axis=0)
    best = THRESHOLDS[int(np.argmax(means))]
    return best, {f"{t:g}": round(float(m), 4) for t, m in zip(THRESHOLDS, means, strict=True)}


def _case_ids(split: Split) -> dict[str, list[str]]:
    return {role: [case.case_id for case in getattr(split, role)] for role in ROLES}
