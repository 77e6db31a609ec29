"""Measures what each amount of pruning costs.

A trained run is pruned and fine-tuned, beside its network only trained on for the same steps, over several seeds.

    python benchmarks/pruning_curve.py --source runs/ship --epochs 8 --loss bce_dice --jobs 2

Each run is one of scripts/prune.py, in a folder of its own; finished ones are left alone, others go on.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from tqdm import tqdm

from spine_tf.experiments.amounts import CONTROL, amount_rows, amounts_cells
from spine_tf.support.files import write_json, write_text
from spine_tf.support.tables import markdown_table
from spine_tf.training.run_folder import RunFolder

SCRIPT = Path(__file__).parents[1] / "scripts" / "prune.py"
AFTER, UNTUNED, CONTROLS = "#0072B2", "#D55E00", "#7F7F7F"


@dataclass(frozen=True)
class Flags:
    source: Path
    """The folder of a trained run that has kept cases for the test."""
    output: Path = Path("runs/pruning-curve")
    """Gets seedN/control and seedN/amount-A for each run, results.json, results.md and results.png."""
    amounts: tuple[float, ...] = (0.3, 0.5, 0.7, 0.9)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 8
    loss: Literal["bce", "bce_dice"] = "bce_dice"
    learning_rate_factor: float = 0.5
    penalty_weight: float = 1e-5
    multiple_of: int = 8
    """As those of scripts/prune.py."""
    jobs: int = 1
    """Runs side by side."""
    run: bool = True
    """--no-run puts together what is there."""


def run_all(flags: Flags) -> list[str]:
    """Run what is not finished, controls first; returns the folders of runs that failed, whose prune.log says why."""
    names = {CONTROL: ["--control"]} | {f"amount-{a:g}": ["--amount", str(a)] for a in flags.amounts}
    jobs = [(flags.output / f"seed{seed}" / name, own, seed) for seed in flags.seeds for name, own in names.items()]
    shared = {
        name: getattr(flags, name)
        for name in ("source", "epochs", "loss", "learning_rate_factor", "penalty_weight", "multiple_of")
    }
    common = [text for name, value in shared.items() for text in (f"--{name.replace('_', '-')}", str(value))]

    def one(job) -> str | None:
        folder, own, seed = job
        files = RunFolder(folder)
        if files.finished and "verdict" in files.read_report():
            return None
        new = ["--resume"] if files.prune_settings.exists() else [*common, *own, "--seed", str(seed)]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "prune.log").open("a") as log:
            command = [sys.executable, str(SCRIPT), "--run", str(folder), *new]
            return str(folder) if subprocess.run(command, stdout=log, stderr=log).returncode else None

    with ThreadPoolExecutor(flags.jobs) as pool:
        ended = list(tqdm(pool.map(one, jobs), total=len(jobs), desc="pruning", unit="run"))
    return [folder for folder in ended if folder]


def rows_on_disk(flags: Flags) -> list[dict]:
    """`amount_rows` of the finished runs."""
    amounts = {CONTROL: None} | {f"amount-{amount:g}": amount for amount in flags.amounts}
    runs = {name: {seed: flags.output / f"seed{seed}" / name for seed in flags.seeds} for name in amounts}
    return amount_rows(amounts, runs)


def text(flags: Flags, rows: list[dict]) -> str:
    """The rows as Markdown, with what was run."""
    made = next((row["environment"] for row in rows if row["environment"]), None)
    seeds = {row["name"]: row["dice"]["after"]["n"] for row in rows if row["ratios"]}
    lines = [
        f"# Pruning {flags.source.name} by several amounts",
        "",
        markdown_table(amounts_cells(rows)),
        "",
        "Ratios are after over before. Filters scored by gradient sensitivity, widths multiples of "
        f"{flags.multiple_of}; {flags.epochs} epochs of fine-tuning, {flags.loss}, {flags.learning_rate_factor:g} x "
        f"the source's learning rate, lambda {flags.penalty_weight:g} (L2); the control had the same, unpruned. Dice: "
        "means over the held-out scans, mean ± standard deviation over seeds; 'above the control' is paired by seed. "
        "Seeds run: "
        + ", ".join(f"{name} {count}" for name, count in seeds.items())
        + (f". {made['cores']} cores of {made['processor']}." if made else "."),
    ]
    return "\n".join(lines) + "\n"


def plot(path: Path, rows: list[dict]) -> None:
    """Dice by amount, right after pruning and fine-tuned, beside the control's; bars are standard deviations. PNG."""
    from spine_tf.support.plots import new_figure, save_figure

    figure = new_figure((5.6, 3.8), dpi=130, layout="constrained")
    axes = figure.subplots()
    pruned = [row for row in rows if row["amount"] is not None and row["ratios"]]
    for stage, label, colour in (("pruned", "right after pruning", UNTUNED), ("after", "fine-tuned", AFTER)):
        found = [row["dice"][stage] for row in pruned]
        axes.errorbar(
            [100 * row["amount"] for row in pruned],
            [dice["mean"] for dice in found],
            [dice["sd"] or 0.0 for dice in found],
            label=label,
            color=colour,
            fmt="-o",
            ms=4,
            capsize=3,
        )
    for row in pruned:
        axes.annotate(
            f"{row['ratios']['parameters']['mean']:.0%} of parameters",
            (100 * row["amount"], row["dice"]["after"]["mean"]),
            (4, 5),
            textcoords="offset points",
            fontsize=7,
        )
    control = next((row["dice"]["after"] for row in rows if row["amount"] is None and row["ratios"]), None)
    if control:
        label = "trained on, nothing pruned"
        axes.axhline(control["mean"], color=CONTROLS, lw=1.2, ls="--", label=label)
    axes.set(xlabel="filters removed, %", ylabel="Dice of held-out scans", ylim=(0, 1), xlim=(20, 110))
    axes.set_xticks([100 * row["amount"] for row in pruned])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    save_figure(figure, path)


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    failed = run_all(flags) if flags.run else []
    rows = rows_on_disk(flags)
    write_json(flags.output / "results.json", rows)
    write_text(flags.output / "results.md", text(flags, rows))
    plot(flags.output / "results.png", rows)
    print(text(flags, rows))
    for folder in failed:
        print(f"failed: {folder}, see its prune.log", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
