"""Reads the file names of VerSe, in every form that the releases of 2019 and 2020 have.

A scan is several files whose names begin alike: the CT, its vertebra mask and its centroids. The name also tells the
subject, and which of the subject's scans it is.
"""

import re
from dataclasses import dataclass

SPLIT_SUBJECTS = {
    "verse400": ("verse090", "verse155"),
    "verse401": ("verse201", "verse253"),
    "verse402": ("verse202", "verse251"),
    "verse403": ("verse208", "verse255"),
    "verse404": ("verse209", "verse256"),
    "verse405": ("verse212", "verse258", "verse259"),
    "verse406": ("verse214", "verse261"),
    "verse407": ("verse215", "verse262"),
    "verse408": ("verse223", "verse265"),
    "verse409": ("verse226", "verse266"),
    "verse410": ("verse227", "verse267"),
    "verse411": ("verse232", "verse270"),
    "verse412": ("verse235", "verse290"),
    "verse413": ("verse239", "verse272"),
    "verse414": ("verse241", "verse273"),
    "verse415": ("verse243", "verse275"),
    "verse416": ("verse247", "verse279"),
    "verse417": ("verse277", "verse278"),
}
"""The split subjects of VerSe'19 and their series, as the file names of its subject-based form give them.

The MICCAI form of VerSe'19 names the series alone, so that two scans of one patient look like two patients there.
37 series of 18 subjects: with 123 subjects of one series they are the release's 160 series of 141 patients.
"""

SUBJECT_OF_SERIES = {series: subject for subject, found in SPLIT_SUBJECTS.items() for series in found}
"""Series of a split subject -> the subject."""

_KINDS = {"ct": "ct", "seg": "mask", "msk": "mask", "ctd": "centroids", "iso-ctd": "centroids"}
"""Last token of a name -> what the file is."""

_ENDING = re.compile(r"(?P<stem>[^.].*?)\.(?P<kind>nii|nii\.gz|json)", re.IGNORECASE)
_NUMBER = re.compile(r"(?:verse|gl)\d+")
_MICCAI_CT = re.compile(r"(?:verse|gl)\d+(?:_verse\d+)?(?:_ct[-_]?[a-z]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class FileName:
    """Hold what the name of a data set's file tells."""

    kind: str
    """"ct", "mask" or "centroids"."""
    case_id: str
    """What the three files of a scan have in common."""
    subject: str
    """The patient as far as this name tells, lower case and without `sub-`."""
    series: str
    """The scan's number: that of the split where there is one, else the subject's."""
    miccai: bool
    """The challenge's own flat form, not the later subject-based one."""

    @property
    def is_verse(self) -> bool:
        """Whether the series is a number of VerSe's, each of which is one scan in all releases and forms."""
        return _NUMBER.fullmatch(self.series) is not None


def parse_name(name: str) -> FileName | None:
    """Read the name of a CT, a vertebra mask or a centroid list.

    Two forms are understood. The subject-based one is `sub-verse004_ct`, `sub-verse004_seg-vert_msk` and
    `sub-verse004_seg-subreg_ctd`, with `_split-verse201`, `_dir-ax` or other entities in between; `sub-` may be absent.
    The MICCAI one is `verse004`, `verse004_seg`, `verse004_ctd`, `verse500_CT-ax`, `verse401_verse201_CT-iso_seg` or
    `verse500_CT-ax_iso-ctd`.

    Args:
        name: of the file, without its folder and with its ending.

    Returns:
        what the name tells, or None for any other file.

    Example:
        >>> name = parse_name("sub-verse401_split-verse201_seg-vert_msk.nii.gz")
        >>> name.kind, name.case_id, name.subject, name.series
        ('mask', 'sub-verse401_split-verse201', 'verse401', 'verse201')
    """
    ending = _ENDING.fullmatch(name)
    if ending is None:
        return None
    tokens = ending["stem"].split("_")
    last = tokens[-1].lower()
    kind = told = _KINDS.get(last)
    segmentations = [t for t in tokens if t.startswith("seg-")]
    if ending["kind"].lower() == "json":
        kind = told if told == "centroids" else None
    elif len(tokens) == 1 or told not in ("ct", "mask"):
        kind = "ct" if _MICCAI_CT.fullmatch(ending["stem"]) else None
    elif told == "mask" and segmentations not in ([], ["seg-vert"]):
        return None  # A predicted mask (seg-spine) or a subregion mask beside the data is no truth.
    core = [t for t in (tokens[:-1] if told else tokens) if t not in segmentations]
    if kind is None or not core or not core[0]:
        return None
    subject, *entities = (token.lower() for token in core)
    subject = subject.removeprefix("sub-")
    numbers = [n for n in (entity.removeprefix("split-") for entity in entities) if _NUMBER.fullmatch(n)]
    series = numbers[-1] if numbers else subject
    miccai = not core[0].lower().startswith("sub-") and last not in ("ct", "msk")
    return FileName(kind, "_".join(core), subject, series, miccai)
