"""Makes the table of pruning amounts: the proposed network pruned by each, beside one that is only trained on.

Not in the paper, which gives neither an amount nor what pruning costs.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from spine_tf.config import Config, PruneSettings, to_dict
from spine_tf.experiments.cells import run_place, seed_folder
from spine_tf.experiments.markdown import NOT_RUN, table_page
from spine_tf.experiments.results import spread
from spine_tf.experiments.running import OTHER_SETTINGS, in_own_process
from spine_tf.experiments.settings import PRUNING_AMOUNTS
from spine_tf.experiments.tables import mean_sd
from spine_tf.support.errors import RunError
from spine_tf.support.tables import Table
from spine_tf.training.prune_report import write_verdict
from spine_tf.training.prune_run import run_pruning
from spine_tf.training.prune_settings import read_settings
from spine_tf.training.run_folder import RunFolder

SOURCE = "proposed"
"""The cell of the ablations that is pruned."""
CONTROL = "control"
COSTS = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "file_mb": "file",
    "latency_1_ms": "latency of a triplet",
    "latency_8_ms": "latency of 8 triplets",
}
"""Rows of `prune_verdict.COSTS` that the table shows, each as a ratio."""
STAGES = {"before": "before", "pruned": "pruned", "after": "fine-tuned", "beside": "above the control"}
FOLDER = "pruning"


def pruning_cells() -> dict[str, float | None]:
    """Name the runs: name -> the amount that is removed; None for the control, of which nothing is."""
    return {CONTROL: None} | {f"amount-{amount:g}": amount for amount in PRUNING_AMOUNTS}


def pruning_cell_settings(name: str, base: Config, folder: Path, seed: int) -> PruneSettings:
    """Make the settings of one run; fine-tuning has two fifths of the epochs that training had.

    Args:
        folder: the preset's folder of runs.
    """
    amount = pruning_cells()[name]
    made = PruneSettings(
        seed_folder(Path(folder) / run_place("ablation", SOURCE, base), seed),
        epochs=max(1, 2 * base.train.epochs // 5),
        loss=base.train.loss,
        seed=seed,
    )
    return replace(made, control=True) if amount is None else replace(made, amount=amount)


def prune_cell(name: str, base: Config, folder: Path, seed: int, data_root: Path) -> bool:
    """Prune, fine-tune and compare one run with its source, which must be there; what is done is not done again.

    Returns:
        whether anything was done.

    Raises:
        RunError: as `run_pruning`; the folder holds a run of other settings.
    """
    run, settings = _run(name, folder, seed), pruning_cell_settings(name, base, folder, seed)
    if RunFolder(run).prune_settings.exists() and to_dict(read_settings(run)) != to_dict(settings):
        raise RunError(f"{OTHER_SETTINGS}. Received: {str(run)!r} pruned with other settings")
    if _verdict(run) is not None:
        return False
    control = _run(CONTROL, folder, seed)
    beside = control if name != CONTROL and _verdict(control) else None
    in_own_process(_prune_and_judge, settings, run, beside, data_root)
    return True


def _prune_and_judge(settings: PruneSettings, run: Path, control: Path | None, data_root: Path) -> None:
    files = RunFolder(run)
    if not files.finished:
        run_pruning(settings, run, data_root, resume=files.holds_run)
    write_verdict(run, control)
    shutil.rmtree(files.checkpoints, ignore_errors=True)


def _run(name: str, folder: Path, seed: int) -> Path:
    return seed_folder(Path(folder) / FOLDER / name, seed)


def _verdict(run: Path) -> dict | None:
    files = RunFolder(run)
    return files.read_report().get("verdict") if files.finished else None


def amounts_table(base: Config, folder: Path, seeds: Sequence[int]) -> dict:
    """Make the table as plain values, with `amount_rows`."""
    cells = pruning_cells()
    rows = amount_rows(cells, {name: {seed: _run(name, folder, seed) for seed in seeds} for name in cells})
    run = any(row["ratios"] for row in rows)
    title = "Pruning amounts (not in the paper)"
    return {"table": "pruning", "title": title, "preset": base.preset, "run": run, "rows": rows}


def amount_rows(amounts: Mapping[str, float | None], runs: Mapping[str, Mapping[int, Path]]) -> list[dict]:
    """Put together what pruning by each amount costs and gains.

    Args:
        amounts: name -> amount asked for; None for `CONTROL`.
        runs: name -> seed -> folder of a run of `run_pruning` with its verdict; unfinished ones are left out.

    Returns:
        a row for each name: "name", "amount"; of its finished runs "ratios" (of `COSTS`) and "dice" ("before",
        "pruned", "after", and "beside": after, less what the control of the same seed has), each a `results.spread`;
        "environment". "ratios" is None where nothing was run.
    """
    verdicts = {
        name: {seed: verdict for seed, run in runs[name].items() if (verdict := _verdict(run)) is not None}
        for name in amounts
    }
    dice = {
        name: {seed: {s: mean(d.values()) for s, d in verdict["dice"].items()} for seed, verdict in found.items()}
        for name, found in verdicts.items()
    }
    rows = []
    for name, amount in amounts.items():
        found, scores = list(verdicts[name].values()), dice[name]
        beside = [own["after"] - dice[CONTROL][seed]["after"] for seed, own in scores.items() if seed in dice[CONTROL]]
        ratios = {cost: spread([verdict["costs"][cost]["ratio"] for verdict in found]) for cost in COSTS}
        stages = {stage: spread([own.get(stage) for own in scores.values()]) for stage in ("before", "pruned", "after")}
        rows.append(
            {
                "name": name,
                "amount": amount,
                "ratios": ratios if found else None,
                "dice": stages | {"beside": None if amount is None else spread(beside)},
                "environment": found[0]["environment"] if found else None,
            }
        )
    return rows


def amounts_cells(rows: Sequence[dict]) -> Table:
    """Make the cells of a table from what `amount_rows` returns."""
    ratios, scores = [f"{name}, ratio" for name in COSTS.values()], [f"Dice %, {name}" for name in STAGES.values()]
    heads = ["filters removed", *ratios, *scores]
    lines = []
    for row in rows:
        cells = ["none (control)" if row["amount"] is None else f"{100 * row['amount']:g} %"]
        if row["ratios"] is None:
            cells += [NOT_RUN, *[""] * (len(heads) - 2)]
        else:
            cells += [f"{row['ratios'][cost]['mean']:.2f}" for cost in COSTS]
            cells += [mean_sd(row["dice"][stage], "dice") for stage in STAGES]
        lines.append(cells)
    return Table(heads, lines, "l" + "r" * (len(heads) - 1))


def amounts_text(table: dict) -> str:
    """Write the table of pruning amounts as Markdown."""
    made = next((row["environment"] for row in table["rows"] if row["environment"]), None)
    where = f" {made['cores']} cores of {made['processor']}; commit {made['git_commit']}." if made else ""
    beside = (
        f"Preset `{table['preset']}`; the source is the proposed network of the ablations. Ratios are after over "
        "before; the control was trained on for as long as the others were fine-tuned. Dice: means over the held-out "
        f"scans, mean ± standard deviation over seeds.{where}"
    )
    return table_page(table, amounts_cells(table["rows"]), [beside])
