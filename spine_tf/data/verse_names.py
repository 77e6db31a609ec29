"""What the file names of VerSe say, in every form in which the two releases are on people's disks."""

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

_ENDING = re.compile(r"(?P<stem>[^.].*?)\.(?P<kind>nii|nii\.gz|json)", re.IGNORECASE)
_NUMBER = re.compile(r"(?:verse|gl)\d+")
_MICCAI_CT = re.compile(r"(?:verse|gl)\d+(?:_verse\d+)?(?:_ct[-_]?[a-z]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class FileName:
    """A file of a data set, read from its name alone."""

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
    """Read a file name; None for anything that is no CT, vertebra mask or centroid list.

    Understood are `sub-verse004_ct`, `sub-verse004_seg-vert_msk`, `sub-verse004_seg-subreg_ctd`, with `_split-verse201`
    or `_dir-ax` or other entities in between, and the MICCAI forms `verse004`, `verse004_seg`, `verse004_ctd`,
    `verse500_CT-ax`, `verse401_verse201_CT-iso_seg`, `verse500_CT-ax_iso-ctd`. `sub-` may be absent.
    """
    ending = _ENDING.fullmatch(name)
    if ending is None:
        return None
    tokens = ending["stem"].split("_")
    last = tokens[-1].lower()
    segmentations = [t for t in tokens if t.startswith("seg-")]
    if ending["kind"].lower() == "json":
        kind = "centroids" if last in ("ctd", "iso-ctd") else None
    elif len(tokens) > 1 and last in ("ct", "seg", "msk"):
        kind = "ct" if last == "ct" else "mask"
        # A predicted mask (seg-spine) or a subregion mask beside the data is no truth.
        kind = None if kind == "mask" and segmentations not in ([], ["seg-vert"]) else kind
    else:
        kind = "ct" if _MICCAI_CT.fullmatch(ending["stem"]) else None
    core = [t for t in tokens if t not in segmentations]
    core = core[:-1] if last in ("ct", "seg", "msk", "ctd", "iso-ctd") else core
    if kind is None or not core or not core[0]:
        return None
    subject = core[0].lower().removeprefix("sub-")
    series = subject
    for token in core[1:]:
        entity = token.lower().removeprefix("split-")
        if _NUMBER.fullmatch(entity):
            series = entity
    miccai = not core[0].lower().startswith("sub-") and last not in ("ct", "msk")
    return FileName(kind, "_".join(core), subject, series, miccai)
