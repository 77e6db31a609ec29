"""Makes the embedded default, which a run trains on without VerSe: phantoms, two sample CTs, and further scans.

Real CTs are trained on or held out for the test (`hold_out`). The test also has phantoms with an anatomy that training
never shows: scoliosis with metal.
"""

from pathlib import Path

from spine_tf.data.cases import Case
from spine_tf.data.convert import with_source
from spine_tf.data.sample_scans import sample_cases
from spine_tf.data.splits import Split
from spine_tf.data.synthesis.phantom import write_phantoms
from spine_tf.data.verse import find_cases
from spine_tf.support.errors import DownloadError

VALIDATION_SEEDS = range(10_000, 10_004)
TEST_SEEDS = range(20_000, 20_004)
"""Of phantoms, one each. Training's seeds start at 0, so the three never meet."""


def embedded_split(
    root: Path, hold_out: tuple[str, ...], phantoms: int, more: Path | None = None, progress: bool = True
) -> tuple[Split, list[str]]:
    """Make phantoms, download sample CTs, and give each case its role.

    Args:
        root: folder for the data; what is there is reused.
        hold_out: case ids of the real CTs that are tested on instead of trained on.
        phantoms: how many to train on.
        more: folder with further real CTs, searched by `data.verse.find_cases`; those without a mask are left out.
        progress: whether a bar shows how far the phantoms are.

    Returns:
        the split, and sentences about what is missing: without a network, the sample CTs.

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
    validation = write_phantoms(root / "phantoms-validation", VALIDATION_SEEDS, progress=progress)
    test = write_phantoms(root / "phantoms-test", TEST_SEEDS, anatomy="scoliosis_metal", progress=progress)
    known = [case.case_id for case in real]
    if real and not notes and not set(hold_out) <= set(known):
        raise ValueError(f"hold_out must be among {known}. Received: hold_out={hold_out!r}")
    held_out = [case for case in real if case.case_id in hold_out]
    seen = [case for case in real if case.case_id not in hold_out]
    return Split(train=seen + train, val=validation, test=held_out + test), notes


def weighted(cases: list[Case], real_weight: int) -> list[Case]:
    """Repeat real CTs, so that an epoch draws one as often as `real_weight` phantoms.

    Args:
        cases: phantoms are those whose `source` says so.
        real_weight: how often a real CT is drawn, at least 1.

    Example:
        >>> cases = [Case("a", "a", Path("a.nii")), Case("b", "b", Path("b.nii"), source="phantom 0")]
        >>> [case.case_id for case in weighted(cases, 3)]
        ['a', 'a', 'a', 'b']
    """
    return [case for case in cases for _ in range(1 if case.source.startswith("phantom") else real_weight)]
