"""Reports what pruning has cost and gained: filters, parameters, multiply-adds, file, memory, time, held-out Dice.

Source: paper, "Step 5: evaluate and save the pruned model".
"""

import json
from pathlib import Path
from statistics import mean, median

from spine_tf.config import PruneSettings, to_dict
from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.data.splits import read_split
from spine_tf.inference.engines import load_engine
from spine_tf.inference.footprint import latencies, peak_memory_mib, speed_ratio
from spine_tf.inference.volume import segment_volume
from spine_tf.models.flops import multiply_adds
from spine_tf.pruning.kept_filters import plot_kept, write_layers
from spine_tf.scans.labels import spine_mask
from spine_tf.scoring import dice
from spine_tf.support.environment import describe_environment
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json, write_text
from spine_tf.support.progress import progress_bar
from spine_tf.support.tables import Table, markdown_table
from spine_tf.training.prune_run import load_network
from spine_tf.training.prune_settings import read_settings
from spine_tf.training.run_folder import RunFolder

SAME = ("source", "epochs", "learning_rate_factor", "loss", "penalty", "penalty_weight", "seed")
"""Settings that a pruned run shares with the control it is compared with."""

COSTS = {
    "parameters": ("parameters", "{:,.0f}"),
    "multiply_adds": ("multiply-adds of a triplet", "{:,.0f}"),
    "file_mb": ("file, MB", "{:.1f}"),
    "peak_memory_mib": ("peak memory, 8 triplets, MiB", "{:.0f}"),
    "memory_above_start_mib": ("of it above TensorFlow's own, MiB", "{:.0f}"),
    "latency_1_ms": ("latency of 1 triplet, ms", "{:.1f}"),
    "latency_8_ms": ("latency of 8 triplets, ms", "{:.1f}"),
}
"""Each row of the table of costs: heading and format."""


def write_verdict(folder: Path, control: Path | None = None, rounds: int = 20) -> dict:
    """Compare a pruned run with its source: verdict.md, layers.csv, kept.png, and the entry "verdict" of report.json.

    Args:
        folder: a run's folder, as `run_pruning` leaves it.
        control: the folder of a finished run of the same source and settings with `control`, to compare Dice with.
        rounds: predictions that latency is the median of.

    Returns:
        the entry: "filters" (None for a control), "costs", "dice", "environment".

    Raises:
        RunError: the folder holds no finished pruned run, or `control` is no control of it.
    """
    folder, run = Path(folder), RunFolder(folder)
    settings = read_settings(folder)
    if not run.finished:
        raise RunError(f"run must be finished ({run.report.name}). Received: run={str(folder)!r}")
    beside = control_dice(control, settings) if control else {}
    cases = read_split(run.split).test
    scored = {"before": settings.source} | ({} if settings.control else {"pruned": run.untuned.path})
    scores = {name: held_out_dice(path, cases) for name, path in (scored | {"after": folder}).items()} | beside
    verdict = {
        "filters": None,
        "costs": compare_costs(settings.source, folder, rounds),
        "dice": scores,
        "environment": describe_environment(),
    }
    if not settings.control:
        record = run.untuned.read_removed()
        verdict["filters"] = {name: value for name, value in record.items() if name != "layers"}
        write_layers(run.kept_table, record["layers"])
        title = f"{record['kept']:,} of {record['filters']:,} filters kept: {100 * record['amount']:.1f} % of the "
        plot_kept(run.kept_picture, record["layers"], title + "prunable ones removed")
    report = run.read_report() | {"verdict": verdict}
    write_json(run.report, report)
    write_text(run.verdict, verdict_text(settings, verdict, report["training"]["epochs"]))
    return verdict


def held_out_dice(model: Path, cases: list[Case]) -> dict[str, float]:
    """Measure Dice of the whole volume, small components dropped as at prediction: case id -> score."""
    engine, scores = load_engine(model), {}
    for case in progress_bar(cases, desc="scoring held-out cases", unit="case", leave=False):
        volume, labels = load_case(case)
        scores[case.case_id] = round(float(dice(spine_mask(labels), segment_volume(volume, engine).mask)), 4)
    return scores


def control_dice(control: Path, settings: PruneSettings) -> dict[str, dict[str, float]]:
    """Read the Dice after training of a control run: {"control": case id -> score}.

    Raises:
        RunError: it is no control, not finished, or was trained otherwise than `settings` say.
    """
    other, run = read_settings(control), RunFolder(control)
    if not other.control:
        raise RunError(f"against must be a run with --control. Received: against={str(control)!r}")
    unequal = [name for name in SAME if getattr(other, name) != getattr(settings, name)]
    if unequal:
        raise RunError(f"against must be a control with the same {', '.join(SAME)}. Received: other {unequal}")
    report = run.read_report() if run.finished else {}
    if "verdict" not in report:
        raise RunError(f"against must be a finished run. Received: against={str(control)!r}")
    return {"control": report["verdict"]["dice"]["after"]}


def compare_costs(before: Path, after: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Measure each row of `COSTS` before and after, and after as a multiple of before.

    Counted from the model (parameters, multiply-adds), or measured on the CPU in processes of their own (`footprint`).
    """
    paths = {"before": before, "after": after}
    found = {name: {} for name in COSTS}
    for name, path in paths.items():
        model = load_network(path)
        found["parameters"][name] = model.count_params()
        found["multiply_adds"][name] = multiply_adds(model)
        del model
        found["file_mb"][name] = round(RunFolder(path).network.stat().st_size / 1e6, 2)
        memory = peak_memory_mib(path)
        found["peak_memory_mib"][name] = round(memory["peak"], 1)
        found["memory_above_start_mib"][name] = round(memory["peak"] - memory["start"], 1)
    seconds = latencies(paths, (1, 8), rounds)
    for batch_size, rows in seconds.items():
        found[f"latency_{batch_size}_ms"] = {name: round(1000 * median(row), 2) for name, row in rows.items()}
    for values in found.values():
        values["ratio"] = round(values["after"] / values["before"], 4)
    for batch_size, rows in seconds.items():
        found[f"latency_{batch_size}_ms"]["ratio"] = round(speed_ratio(rows["after"], rows["before"]), 4)
    return found


def verdict_text(settings: PruneSettings, verdict: dict, epochs: int) -> str:
    """Write the verdict as Markdown."""
    made, filters = verdict["environment"], verdict["filters"]
    what = "Trained further, nothing pruned (control)" if settings.control else "Pruned and fine-tuned"
    lines = [f"# {what}: from {settings.source.name}", ""]
    if filters:
        share = f"{100 * filters['amount']:.1f} % of the prunable filters"
        lines += [
            f"{filters['filters']:,} filters, {filters['prunable']:,} of them prunable, {filters['kept']:,} kept. "
            f"Removed: {share} ({100 * filters['amount_asked']:g} % asked for). Before fine-tuning the outputs differ "
            f"from those of the zeroed network by at most {filters['difference']:.1e}.",
            "",
        ]
    costs = []
    for name, (heading, form) in COSTS.items():
        row = verdict["costs"][name]
        costs.append([heading, form.format(row["before"]), form.format(row["after"]), f"{row['ratio']:.2f}"])
    lines += [
        markdown_table(Table(["cost", "before", "after", "ratio"], costs, "lrrr")),
        "",
        "Multiply-adds are those of convolutions and dense layers, counted in the traced graph. Memory: resident peak "
        "of a process that loads the model and predicts once. Latency: the two models in turn in one process, the "
        f"median; its ratio is the median of the rounds' ratios. {made['cores']} cores ({made['processor']}).",
        "",
        _dice_table(verdict["dice"]),
        "",
    ]
    if filters:
        lines += [
            f"Filters were scored by `{settings.criterion}` ({settings.scope}) on {filters['calibration_triplets']} "
            "training triplets. What each layer keeps: `layers.csv`, `kept.png`.",
            "",
        ]
        if filters["whole"]:
            lines += ["Left whole, all or in part:", "", *(f"- {k}: {v}" for k, v in filters["whole"].items()), ""]
    lines += [
        f"Epochs of {'training' if settings.control else 'fine-tuning'}: {epochs}. Settings:",
        "",
        "```json",
        json.dumps(to_dict(settings), indent=2),
        "```",
        "",
    ]
    return "\n".join(lines)


def _dice_table(scores: dict[str, dict[str, float]]) -> str:
    headings = {"before": "before", "pruned": "pruned", "after": "fine-tuned", "control": "control"}
    cases = list(scores["after"])
    if not cases:
        return "The run has kept no cases for the test: Dice was not measured."
    shown = [name for name in headings if name in scores]
    rows = [[case, *(f"{scores[name][case]:.3f}" if case in scores[name] else "-" for name in shown)] for case in cases]
    if len(cases) > 1:
        rows.append([f"mean of {len(cases)}", *(f"{mean(scores[name].values()):.3f}" for name in shown)])
    columns = ["held-out case, Dice", *(headings[name] for name in shown)]
    return markdown_table(Table(columns, rows, "l" + "r" * len(shown)))
