"""Reads what runs on disk say: scores and costs of each seed, their mean and spread."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev

from spine_tf.config import Config
from spine_tf.experiments.cells import cell_config, run_place, seed_folder
from spine_tf.experiments.running import check_same
from spine_tf.training.evaluate import HELD_OUT
from spine_tf.training.run_folder import RunFolder

SCORES = ("dice", "jaccard", "slice_dice", "slice_jaccard")
LOSSES = ("loss", "val_loss")
NETWORK = "network"
PLATEAU_TOLERANCE = 0.01


def read_history(folder: Path) -> list[dict[str, float]]:
    """Read the rows of a run's history.csv, numbers as numbers."""
    with RunFolder(folder).history.open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def read_run(folder: Path) -> dict | None:
    """Read a finished run as one flat dict, or None for one that is not finished.

    Returns:
        "seed"; "loss" and "val_loss" of the best epoch; "dice", "jaccard", "slice_dice", "slice_jaccard" as means over
        the held-out cases, in [0, 1]; "sources" (source of the held-out scans -> mean Dice); "cases" (case -> Dice);
        "baselines" (method -> source -> mean Dice); "epochs", "best_epoch", "minutes"; "trained_on" and "validated_on"
        (source -> number of scans); "config"; "environment".
    """
    files = RunFolder(folder)
    if not files.evaluated:
        return None
    report, rows = files.read_report(), json.loads(files.scores.read_text())
    rows = [row for row in rows if row["role"] == HELD_OUT and "source" in row]
    own = [row for row in rows if row["method"] == NETWORK]
    best = report["training"]["best_epoch"]
    history = {row["epoch"]: row for row in read_history(folder)}
    scans = json.loads(files.metadata.read_text())["sources"]
    return {
        "seed": report["config"]["train"]["seed"],
        **{name: history[best].get(name) for name in LOSSES},
        **{name: mean(row[name] for row in own) for name in SCORES},
        "sources": _means(own, "source"),
        "cases": {row["case"]: row["dice"] for row in own},
        "baselines": {
            method: _means([row for row in rows if row["method"] == method], "source")
            for method in dict.fromkeys(row["method"] for row in rows)
            if method != NETWORK
        },
        "epochs": report["training"]["epochs"],
        "best_epoch": best,
        "minutes": round(report["total_seconds"] / 60, 2),
        "trained_on": scans["train"],
        "validated_on": scans["val"],
        "config": report["config"],
        "environment": report["environment"],
    }


def _means(rows: Iterable[dict], key: str) -> dict[str, float]:
    """Average the Dice of the rows that share a value of `key`."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row["dice"])
    return {name: mean(values) for name, values in groups.items()}


def spread(values: Sequence[float | None]) -> dict | None:
    """Compute mean, standard deviation (of a sample; None for one value) and number of values; None if one is missing.

    Example:
        >>> spread([1.0, 3.0])
        {'mean': 2.0, 'sd': 1.4142135623730951, 'n': 2}
    """
    values = list(values)
    if not values or any(value is None or not math.isfinite(value) for value in values):
        return None
    return {"mean": mean(values), "sd": stdev(values) if len(values) > 1 else None, "n": len(values)}


def summarise(folder: Path, seeds: Iterable[int]) -> dict | None:
    """Summarise the runs `folder`/seed0, seed1, ... of one cell; None where none of them is finished.

    Returns:
        "runs" (as `read_run` gives them, without config and environment), the `spread` of each of `LOSSES` and
        `SCORES`, "sources" (source -> spread of Dice), "baselines" (method -> source -> spread), "minutes" (of all
        runs), "commits" (of all runs), "config" and "environment" of the first run.
    """
    found = [run for seed in seeds if (run := read_run(seed_folder(folder, seed))) is not None]
    if not found:
        return None
    summary = {name: spread([run[name] for run in found]) for name in (*LOSSES, *SCORES)}
    summary["sources"] = _by_source([run["sources"] for run in found])
    methods = dict.fromkeys(method for run in found for method in run["baselines"])
    summary["baselines"] = {method: _by_source([run["baselines"][method] for run in found]) for method in methods}
    return {
        **summary,
        "minutes": round(sum(run["minutes"] for run in found), 1),
        "commits": sorted({run["environment"]["git_commit"] for run in found}),
        "config": _without_places(found[0]["config"]),
        "environment": found[0]["environment"],
        "runs": [{key: value for key, value in run.items() if key not in ("config", "environment")} for run in found],
    }


def summarise_cell(table: str, name: str, base: Config, folder: Path, seeds: Sequence[int]) -> dict | None:
    """Summarise the runs of a cell, as `summarise`.

    Args:
        base: the preset's config.
        folder: the preset's folder of runs.

    Raises:
        ValueError: a finished run was made with other settings.
    """
    place = Path(folder) / run_place(table, name, base)
    for seed in seeds:
        if RunFolder(seed_folder(place, seed)).evaluated:
            check_same(seed_folder(place, seed), cell_config(table, name, base, seed))
    return summarise(place, seeds)


def _without_places(config: dict) -> dict:
    """Drop the folders of the machine that a config ran on; of the data's, the last name is kept."""
    named = {name: Path(value).name for name in ("data", "more") if (value := config["data"][name])}
    return config | {"data": config["data"] | {"cache": None} | named}


def _by_source(runs: list[dict[str, float]]) -> dict[str, dict | None]:
    """Compute the `spread` of each source over the runs that have it."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: spread([run[name] for run in runs if name in run]) for name in names}


def plateau_epoch(values: Sequence[float]) -> int | None:
    """Find the first epoch (from 1) after which a curve rises by no more than PLATEAU_TOLERANCE.

    None for an empty curve, or where that is the last epoch: it was still rising when training ended.
    """
    if not values:
        return None
    reached, top = -math.inf, max(values)
    for epoch, value in enumerate(values, start=1):
        reached = max(reached, value)
        if reached >= top - PLATEAU_TOLERANCE:
            return epoch if epoch < len(values) else None
    return None
