"""Splits cases into training, validation and test by subject, seeded, and stores the split in the run's folder.

Source: paper, "Pre-processing": "80% of the dataset is used for training while the remaining 20% dataset is for
testing". The paper has no validation cases. Here a seeded part of the 80 % decides checkpoint, learning rate and
threshold, so that nothing but the evaluation reads the 20 %.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from spine_tf.config.stored import dataclass_from_dict
from spine_tf.data.cases import Case
from spine_tf.data.verse import SUBSETS
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json
from spine_tf.support.json_reading import read_json

ROLES = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Hold cases by role.

    Raises:
        ValueError: a subject has cases in two roles.
    """

    train: list[Case]
    val: list[Case]
    test: list[Case]
    facts: dict = field(default_factory=dict)
    """How the split was made, and the ids of cases that have no role; JSON types."""

    def __post_init__(self):
        subjects = [{case.subject for case in getattr(self, role)} for role in ROLES]
        shared = (subjects[0] & subjects[1]) | (subjects[0] & subjects[2]) | (subjects[1] & subjects[2])
        if shared:
            raise ValueError(f"each subject must have one role. Received: {sorted(shared)} with several")


def split_cases(
    cases: list[Case],
    test_fraction: float = 0.2,
    val_fraction: float = 0.1,
    seed: int = 0,
    split: str = "subject",
) -> Split:
    """Give each case a role: training, validation or test.

    Cases without a mask have no role; `Split.facts` names them. The order of `cases` does not matter.

    Args:
        cases: any number for each subject.
        test_fraction: share of the subjects that are tested on, in (0, 1), rounded up. Ignored by `official`.
        val_fraction: share of the other subjects that are for validation, in [0, 1), rounded up; 0 for none, as in the
            paper.
        seed: of the draws.
        split: `subject` draws subjects at random (scikit-learn's GroupShuffleSplit). `official` takes VerSe's own
            folders. Where scans of one subject lie in several of them (the releases were divided anew in 2020), all go
            to the strongest: test, then validation, then training. So no subject that VerSe tests on in either year is
            trained on. Without a validation folder, `val_fraction` of the training subjects stands in.

    Raises:
        ValueError: too few subjects, an unknown `split`, or, for `official`, cases outside VerSe's folders.

    Example:
        >>> cases = [Case(f"scan{n}", f"scan{n}", Path(f"{n}.nii"), Path(f"{n}_mask.nii")) for n in range(10)]
        >>> split = split_cases(cases, test_fraction=0.2, val_fraction=0.1)
        >>> len(split.train), len(split.val), len(split.test)
        (7, 1, 2)
    """
    usable = sorted((c for c in cases if c.mask is not None), key=lambda c: (c.subject, c.case_id))
    facts = {"split": split, "seed": seed, "test_fraction": test_fraction, "val_fraction": val_fraction}
    facts["without_mask"] = sorted(c.case_id for c in cases if c.mask is None)
    subjects = sorted({c.subject for c in usable})
    if split == "subject":
        needed = 3 if val_fraction else 2
        if len(subjects) < needed:
            roles = "training, validation and test" if val_fraction else "training and test"
            hint = "; val_fraction=0 needs one less" if val_fraction else ""
            raise ValueError(
                f"a split by subject needs at least {needed} subjects with masks, one each for {roles}{hint}. "
                f"Received: {len(subjects)} of {len(cases)} cases, {subjects}"
            )
        rest, test = _draw(subjects, test_fraction, seed)
        train, val = _draw(rest, val_fraction, seed + 1) if val_fraction else (rest, [])
    elif split == "official":
        train, val, test = _official(usable)
        if not val and val_fraction and len(train) > 1:
            train, val = _draw(train, val_fraction, seed + 1)
    else:
        raise ValueError(f"split must be 'subject' or 'official'. Received: split={split!r}")
    return Split(*([c for c in usable if c.subject in role] for role in map(set, (train, val, test))), facts)


def write_split(path: Path, split: Split) -> None:
    """Write a split as JSON: how it was made, then the cases of each role with their files.

    Args:
        path: of the file, which appears whole or not at all.
        split: as `split_cases` made it.
    """
    values = dataclasses.asdict(split)
    write_json(path, {"facts": values.pop("facts"), **values})


def read_split(path: Path) -> Split:
    """Read a split that `write_split` wrote.

    Args:
        path: of the file.

    Raises:
        RunError: no such file, or not a split.

    Example:
        >>> write_split("split.json", Split([Case("a", "a", Path("a.nii"))], [], [], {"seed": 7}))
        >>> split = read_split("split.json")
        >>> split.train[0].case_id, split.facts
        ('a', {'seed': 7})
    """
    expected = f"{Path(path).name} must be a split as a run writes it"
    try:
        return dataclass_from_dict(Split, read_json(path))
    except ValueError as error:
        raise RunError(f"{expected}. Received: {error}") from None


def _draw(subjects: list[str], fraction: float, seed: int) -> tuple[list[str], list[str]]:
    """Divide subjects into the others and a seeded fraction of them."""
    # Imported here: scikit-learn takes a second to load, and predicting never splits anything.
    from sklearn.model_selection import GroupShuffleSplit

    shuffle = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
    others, drawn = next(shuffle.split(subjects, groups=subjects))
    return [subjects[i] for i in others], [subjects[i] for i in drawn]


def _official(cases: list[Case]) -> tuple[list[str], list[str], list[str]]:
    outside = [case.case_id for case in cases if case.subset not in SUBSETS]
    if outside:
        expected = "split='official' needs every case in a training, validation or test folder of VerSe's"
        raise ValueError(f"{expected}. Received: {len(outside)} elsewhere, such as {outside[:3]}")
    strongest = {}
    for case in cases:
        strongest[case.subject] = max(strongest.get(case.subject, SUBSETS[0]), case.subset, key=SUBSETS.index)
    roles = [[subject for subject, subset in strongest.items() if subset == wanted] for wanted in SUBSETS]
    if not roles[0] or not roles[2]:
        found = {subset: len(role) for subset, role in zip(SUBSETS, roles, strict=True)}
        raise ValueError(f"split='official' needs subjects to train on and to test on. Received: {found}")
    return tuple(roles)
