"""Compares the paper's criterion with others: Dice after pruning a trained run's network.

Dice is that of held-out data, without and with fine-tuning.

    python benchmarks/pruning.py --source runs/ship --fine-tune-steps 200

Every seed has calibration triplets and fine-tuning data of its own; `random` also other scores. `magnitude` reads
neither: without fine-tuning it has no spread. What was measured is kept in results.json and not measured again.
"""

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Literal

import tyro
from tqdm import tqdm

from spine_tf.config import Config, PruneSettings
from spine_tf.support.files import write_json, write_text
from spine_tf.support.tables import Table, markdown_table
from spine_tf.training.prune_settings import source_config, tuning_config

CRITERIA = ("gradient", "magnitude", "taylor", "random")
COLOURS = {"gradient": "#0072B2", "magnitude": "#D55E00", "taylor": "#009E73", "random": "#7F7F7F"}


@dataclass(frozen=True)
class Flags:
    source: Path
    """The folder of a trained run."""
    output: Path = Path("runs/pruning-benchmark")
    """Gets results.json, results.md and results.png."""
    amounts: tuple[float, ...] = (0.3, 0.5, 0.7)
    criteria: tuple[str, ...] = CRITERIA
    seeds: tuple[int, ...] = (0, 1, 2)
    calibration_batches: int = 16
    fine_tune_steps: int = 0
    """Also score after this many steps of fine-tuning, as scripts/prune.py does it; 0: without alone."""
    loss: Literal["bce", "bce_dice"] = "bce"
    """Of fine-tuning, before the penalty."""
    on: Literal["triplets", "cases"] = "triplets"
    """Score on evenly spaced triplets of the held-out cases, or on these cases as a whole."""
    triplets_per_case: int = 16
    """With triplets: of each held-out case."""
    data_root: Path = Path("data")
    """Where the embedded default keeps phantoms and sample CTs."""


def measure(flags: Flags) -> dict:
    """Score what was not scored yet; returns what results.json holds: what was asked, and Dice by key."""
    asked = {
        "source": str(flags.source),
        "calibration_batches": flags.calibration_batches,
        "loss": flags.loss,
        "on": flags.on,
        "triplets_per_case": flags.triplets_per_case,
    }
    path = flags.output / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {"asked": asked, "dice": {}}
    if results["asked"] != asked:
        raise ValueError(f"output must be new, or hold results of the same flags. Received: {results['asked']}")
    wanted = [("none", 0.0, 0), *itertools.product(flags.criteria, flags.amounts, flags.seeds)]
    wanted.sort(key=lambda job: job[2])  # whatever is done when it is stopped is whole tables of few seeds
    steps = sorted({0, flags.fine_tune_steps})
    todo = [job for job in wanted if any(_key(*job, n) not in results["dice"] for n in (steps if job[1] else [0]))]
    if not todo:
        return results
    from spine_tf.support.environment import describe_environment

    results["environment"] = describe_environment()
    before = source_config(flags.source)
    score = scorer(flags, before)
    for seed, jobs in itertools.groupby(tqdm(todo, desc="pruning", unit="network"), key=lambda job: job[2]):
        shared = settings(flags, seed)
        for criterion, amount, dice_by_steps in prune_all(flags, before, shared, list(jobs), steps, score):
            results["dice"] |= {_key(criterion, amount, seed, n): value for n, value in dice_by_steps.items()}
            write_json(path, results)
    return results


def settings(flags: Flags, seed: int) -> PruneSettings:
    """What all criteria and amounts of a seed have in common: the defaults of scripts/prune.py, but for the loss."""
    return PruneSettings(flags.source, epochs=1, loss=flags.loss, seed=seed)


def prune_all(flags: Flags, before: Config, shared: PruneSettings, jobs: list, steps: list[int], score: Callable):
    """Yield criterion, amount and {steps of fine-tuning: Dice} for the jobs of one seed."""
    from spine_tf.data.splits import read_split
    from spine_tf.pruning import remove_filters
    from spine_tf.training.fit import fit_model, prepare_process
    from spine_tf.training.penalty import Penalty
    from spine_tf.training.prune_run import load_network, zeroed_network
    from spine_tf.training.run_data import training_data
    from spine_tf.training.run_folder import RunFolder

    config, folder = tuning_config(before, shared), flags.output / "work"
    strategy = prepare_process(config.train)
    with training_data(config, folder, flags.data_root, read_split(RunFolder(flags.source).split)) as data:
        batches = list(itertools.islice(data.dataset(0), flags.calibration_batches))
        for criterion, amount, _ in jobs:
            if not amount:
                yield criterion, amount, {0: score(load_network(flags.source))}
                continue
            chosen = replace(shared, amount=amount, criterion=criterion)
            model, pruned = zeroed_network(flags.source, before.train.loss, chosen, batches)
            smaller = remove_filters(model, pruned.groups)
            found = {0: score(smaller)}
            for n in steps[1:]:
                tuned = folder / "tuned"
                shutil.rmtree(tuned, ignore_errors=True)
                penalty = Penalty(shared.penalty, shared.penalty_weight)
                fit_model(lambda m=smaller: m, data.dataset, n, None, config.train, tuned, strategy, penalty=penalty)
                found[n] = score(load_network(tuned))
            yield criterion, amount, found
    shutil.rmtree(folder, ignore_errors=True)


def scorer(flags: Flags, before: Config) -> Callable:
    """A function: network -> Dice on the held-out cases of the source's run, at the source's threshold."""
    from spine_tf.data.pipeline import validation_dataset
    from spine_tf.data.splits import read_split
    from spine_tf.inference.engines.load import read_metadata
    from spine_tf.training.checkpoint import save_model, write_metadata
    from spine_tf.training.metrics import DiceCoefficient
    from spine_tf.training.prune_report import held_out_dice
    from spine_tf.training.run_data import open_cases
    from spine_tf.training.run_folder import RunFolder

    source = RunFolder(flags.source)
    metadata, cases = read_metadata(source.metadata), read_split(source.split).test
    if not cases:
        raise ValueError(f"source must have kept cases for the test. Received: source={str(flags.source)!r}")
    if flags.on == "cases":

        def on_cases(model) -> float:
            folder = flags.output / "work" / "scored"
            save_model(model, RunFolder(folder).network)
            write_metadata(folder, metadata)
            return mean(held_out_dice(folder, cases).values())

        return on_cases
    opened = open_cases(cases, flags.output / "cache", before.preprocess)
    triplets = validation_dataset(list(opened.values()), before.preprocess, before.data, flags.triplets_per_case)

    def on_triplets(model) -> float:
        metric = DiceCoefficient(metadata["preprocess"]["threshold"])
        for views, mask in triplets:
            metric.update_state(mask, model(views, training=False))
        return float(metric.result())

    return on_triplets


def _key(criterion: str, amount: float, seed: int, steps: int) -> str:
    return f"{criterion} {amount:g} seed {seed} steps {steps}"


def spread(flags: Flags, results: dict, criterion: str, amount: float, steps: int) -> list[float]:
    """Dice of every seed that was measured."""
    keys = (_key(criterion, amount, seed, steps) for seed in flags.seeds)
    return [results["dice"][key] for key in keys if key in results["dice"]]


def table(flags: Flags, results: dict) -> str:
    """Mean and standard deviation over the seeds, as Markdown."""
    unpruned = results["dice"][_key("none", 0.0, 0, 0)]
    lines = [f"# Criteria of pruning compared on {flags.source.name}", ""]
    rows = []
    for steps, criterion in itertools.product(sorted({0, flags.fine_tune_steps}), flags.criteria):
        cells = []
        for amount in flags.amounts:
            found = spread(flags, results, criterion, amount, steps)
            deviation = f" ± {stdev(found):.3f}" if len(found) > 1 else ""
            cells.append(f"{mean(found):.3f}{deviation}" if found else "-")
        rows.append([criterion + (f", {steps} steps of fine-tuning" if steps else ""), *cells])
    headings = ["criterion, amount", *(f"{amount:g}" for amount in flags.amounts)]
    lines.append(markdown_table(Table(headings, rows, "l" + "r" * len(flags.amounts))))
    words = (
        f"Dice on held-out {flags.on}, mean ± standard deviation over {len(flags.seeds)} seeds; the unpruned "
        f"network's: {unpruned:.3f}. Filters scored on {flags.calibration_batches} batches."
    )
    if flags.fine_tune_steps:
        tuned = settings(flags, seed=0)
        words += (
            f" Fine-tuning: {tuned.loss}, {tuned.learning_rate_factor:g} x the source's learning rate, lambda "
            f"{tuned.penalty_weight:g} ({tuned.penalty.upper()})."
        )
    return "\n".join([*lines, "", words]) + "\n"


def plot(path: Path, flags: Flags, results: dict) -> None:
    """Dice against amount, a line for each criterion with its seeds' range, without and with fine-tuning."""
    from spine_tf.support.plots import new_figure, save_figure

    stages = sorted({0, flags.fine_tune_steps})
    figure = new_figure((4.8 * len(stages), 3.8), dpi=120, layout="constrained")
    for axes, steps in zip(figure.subplots(1, len(stages), squeeze=False, sharey=True)[0], stages, strict=True):
        axes.axhline(results["dice"][_key("none", 0.0, 0, 0)], color="black", lw=0.8, ls="--", label="unpruned")
        for criterion in flags.criteria:
            found = [(amount, spread(flags, results, criterion, amount, steps)) for amount in flags.amounts]
            found = [(amount, mean(dices), dices) for amount, dices in found if dices]
            ends = [[middle - min(dices) for _, middle, dices in found], [max(d) - m for _, m, d in found]]
            amounts, means = [amount for amount, _, _ in found], [middle for _, middle, _ in found]
            axes.errorbar(
                amounts, means, ends, label=criterion, color=COLOURS.get(criterion), fmt="-o", ms=4, capsize=3
            )
        axes.set_title(f"after {steps} steps of fine-tuning" if steps else "without fine-tuning")
        axes.set_xlabel("amount")
        axes.set_xticks(flags.amounts)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel(f"Dice on held-out {flags.on}")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=5)
    save_figure(figure, path)


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    results = measure(flags)
    write_text(flags.output / "results.md", table(flags, results))
    plot(flags.output / "results.png", flags, results)
    print(table(flags, results))


if __name__ == "__main__":
    main()
