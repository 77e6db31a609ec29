"""The embedded default: what there is to train on without VerSe: phantoms, two real CTs that PyPI wheels carry, and
whatever further scans lie in a folder.

Real CTs are trained on or held out (`hold_out`). The test also holds phantoms with an anatomy that training never
shows: scoliosis with metal.
"""

from pathlib import Path

from spine_tf.data.cases import Case
from spine_tf.data.convert import with_source
from spine_tf.data.sample_scans import sample_cases
from spine_tf.data.splits import Split
from spine_tf.data.synthesis.phantom import write_phantoms
from spine_tf.data.verse import find_cases
from spine_tf.support.errors import DownloadError

VALIDATION_PHANTOMS = 4
TEST_PHANTOMS = 4

VALIDATION_SEED = 10_000
TEST_SEED = 20_000
"""First seeds; training's start at 0, so the three never meet."""


def embedded_split(
    root: Path, hold_out: tuple[str, ...], phantoms: int, more: Path | None = None, progress: bool = True
) -> tuple[Split, list[str]]:
    """Make or find phantoms and sample CTs under `root` and give each its role.

    Args:
        root: folder for the data; what is there is reused.
        hold_out: case ids of the real CTs that are not trained on.
        phantoms: how many to train on.
        more: folder with further real CTs, searched by `data.verse.find_cases`.

    Returns:
        the split, and sentences about what is missing (no network: the real CTs).

    Raises:
        ValueError: hold_out names no real CT, or `more` holds no case with a mask.
    """
    root, notes = Path(root), []
    real = [] if more is None else [with_source(case) for case in find_cases(more) if case.mask is not None]
    if more is not None and not real:
        raise ValueError(f"more must hold scans with masks. Received: none below {str(more)!r}")
    try:
        real = sample_cases(root) + real
    except DownloadError as error:
        notes.append(f"The sample CTs are missing in this run: {error}")
    train = write_phantoms(root / "phantoms-train", range(phantoms), progress=progress)
    validation_seeds = range(VALIDATION_SEED, VALIDATION_SEED + VALIDATION_PHANTOMS)
    validation = write_phantoms(root / "phantoms-validation", validation_seeds, progress=progress)
    test_seeds = range(TEST_SEED, TEST_SEED + TEST_PHANTOMS)
    test = write_phantoms(root / "phantoms-test", test_seeds, anatomy="scoliosis_metal", progress=progress)
    known = [case.case_id for case in real]
    unknown = [name for name in hold_out if name not in known]
    if real and unknown and not notes:
        raise ValueError(f"hold_out must be among {known}. Received: hold_out={hold_out!r}")
    held_out = [case for case in real if case.case_id in hold_out]
    seen = [case for case in real if case.case_id not in hold_out]
    return Split(train=seen + train, val=validation, test=held_out + test), notes


def weighted(cases: list[Case], real_weight: int) -> list[Case]:
    """The cases as they are drawn in an epoch: a real CT as often as `real_weight` phantoms."""
    return [case for case in cases for _ in range(1 if case.source.startswith("phantom") else real_weight)]
