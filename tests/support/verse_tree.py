"""A folder as VerSe unzips, made of a folder of scans."""

from pathlib import Path


def write_verse_tree(scans: Path, root: Path) -> Path:
    """Link ct/ and masks/ of `conftest.six_scans` into VerSe'20's layout below `root`; a subject for every scan."""
    for number, ct in enumerate(sorted((scans / "ct").glob("*.nii.gz"))):
        name = f"sub-verse{500 + number}"
        for folder, file, ending in (
            ("rawdata", ct, "_ct.nii.gz"),
            ("derivatives", scans / "masks" / ct.name, "_seg-vert_msk.nii.gz"),
        ):
            place = root / "dataset-verse20training" / folder / name
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{name}{ending}").symlink_to(file)
    return root
