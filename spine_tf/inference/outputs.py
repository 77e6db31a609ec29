"""Names the files of a case, and writes them all or none, over nothing but a case's own earlier files.

The report names each file with its SHA-256. What no report names, or what was changed since (a mask corrected by
hand), belongs to somebody else and is never replaced. Files are made in a hidden folder beside the others and moved
into place together, the report last.
"""

import json
import os
import secrets
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from spine_tf.scans.file_names import is_nifti, nifti_stem
from spine_tf.support.errors import OutputError
from spine_tf.support.files import file_sha256, remove_parts, write_json

ENDINGS = {
    "mask": "_seg-spine_msk.nii.gz",
    "picture": "_seg-spine_snp.png",
    "report": "_report.json",
    "probability": "_seg-spine_prob.nii.gz",
    "dicom_seg": "_seg-spine.dcm",
}
"""Kind of a case's file -> what follows the case in its name."""


def case_name(path: str | Path) -> str:
    """Name a case after its file, without .nii, .nii.gz and VerSe's `_ct`, or after its DICOM folder.

    A link gives its own name, not that of what it points to; capitals in the endings do not matter.

    Args:
        path: of a scan; it need not exist.

    Returns:
        the name.

    Example:
        >>> case_name("scans/sub-verse014_ct.nii.gz")
        'sub-verse014'
    """
    stem = nifti_stem(path)
    return stem[:-3] or stem if is_nifti(path) and stem.lower().endswith("_ct") else stem


def output_paths(output: str | Path, case: str) -> dict[str, Path]:
    """Give the files of a case by kind, named as VerSe names derivatives.

    Args:
        output: folder of the files.
        case: name of the case.

    Returns:
        kind of `ENDINGS` -> path; not all of them are always written.

    Example:
        >>> output_paths("out", "a")["mask"].name
        'a_seg-spine_msk.nii.gz'
    """
    return {kind: Path(output) / f"{case}{ending}" for kind, ending in ENDINGS.items()}


def read_report(output: str | Path, case: str) -> dict | None:
    """Read the report of a case; None where there is none, or a file of that name that is no report of ours.

    Returns:
        the report; "files" maps each kind that it claims to a SHA-256, or to None where any content is its own.
    """
    paths = output_paths(output, case)
    try:
        report = json.loads(paths["report"].read_text())
        if (report["case"], report["mask"]) != (case, paths["mask"].name):
            return None
        # Reports of version 0.1.0 claim by name alone.
        report["files"] = dict(report.get("files", dict.fromkeys(paths)))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return report


def check_free(output: str | Path, case: str) -> None:
    """Refuse a folder that cannot be written, or files of a case's names that are not its own.

    Raises:
        OutputError: one line names the file and what is wrong.
    """
    paths, report = output_paths(output, case), read_report(output, case)
    with _one_line(output), _staging(Path(output), case):
        for kind, path in paths.items():
            if os.path.lexists(path) and not _is_own(kind, path, report):
                expected = f"{path.name} must be free, or as the report of {case} names it: no other file is replaced"
                raise OutputError(f"{expected}. Received: a {'folder' if path.is_dir() else 'file'} of that name")


def write_case(output: str | Path, case: str, write: Callable[[dict[str, Path]], dict]) -> dict:
    """Write the files of a case, all of them or none, in place of its earlier ones.

    Args:
        output: folder of the files; is made where it is missing.
        case: name of the case.
        write: writes files at the paths it is given (`output_paths`), and returns what the report holds.

    Returns:
        the report as it was written: what `write` returned, with "files".

    Raises:
        OutputError: as `check_free`, or the disk is full; the earlier files are as they were.
    """
    paths = output_paths(output, case)
    check_free(output, case)
    with _one_line(output), _staging(Path(output), case) as folder:
        parts = output_paths(folder, case)
        report = write(parts)
        report |= {"files": {kind: file_sha256(part) for kind, part in parts.items() if part.is_file()}}
        write_json(parts["report"], report)
        # Should the process die among the moves, this report claims the files, and says of none that it is done.
        write_json(paths["report"], {"case": case, "mask": paths["mask"].name, "files": dict.fromkeys(paths)})
        try:
            for kind in paths.keys() - report["files"] - {"report"}:
                paths[kind].unlink(missing_ok=True)
            for kind in (*report["files"], "report"):
                os.replace(parts[kind], paths[kind])
        except BaseException:
            for path in paths.values():
                path.unlink(missing_ok=True)
            raise
    return report


def find_conflicts(inputs: Sequence[str | Path], names: Sequence[str], output: str | Path) -> list[str | None]:
    """Find the inputs of a batch that must not be segmented: their files would replace an input, or each other.

    Args:
        inputs: paths of scans.
        names: what the files of each are named after.
        output: folder of the files.

    Returns:
        for each input a sentence, or None where nothing is wrong. The same file given twice is no conflict.

    Example:
        >>> find_conflicts(["1/a.nii", "2/a.nii", "b.nii"], ["a", "a", "b"], "out")[0]
        "inputs must have different case names, or go to different outputs. Received: 'a' for 1/a.nii, 2/a.nii"
        >>> find_conflicts(["a_ct.nii.gz", "a_seg-spine_msk.nii.gz"], ["a", "m"], ".")[0]
        'output must not replace an input. Received: a_seg-spine_msk.nii.gz for both'
    """
    real = [os.path.realpath(path) for path in inputs]
    named = defaultdict(dict)
    for name, path, shown in zip(names, real, inputs, strict=True):
        named[name][path] = str(shown)
    given = {_without_link(path) for path in inputs} | set(real)
    problems = []
    for name in names:
        taken = [path.name for path in output_paths(output, name).values() if _without_link(path) in given]
        if len(named[name]) > 1:
            expected = "inputs must have different case names, or go to different outputs"
            problems.append(f"{expected}. Received: {name!r} for {', '.join(named[name].values())}")
        elif taken:
            problems.append(f"output must not replace an input. Received: {taken[0]} for both")
        else:
            problems.append(None)
    return problems


def prepare_output(output: str | Path, names: Sequence[str]) -> None:
    """Make the folder for results, and remove what killed processes left there of these cases.

    Raises:
        OutputError: the folder cannot be made.
    """
    with _one_line(output):
        Path(output).mkdir(parents=True, exist_ok=True)
    # A folder that is read only fails case by case.
    with suppress(OSError):
        remove_parts(output, {path.name for name in names for path in output_paths(output, name).values()} | set(names))


def _is_own(kind: str, path: Path, report: dict | None) -> bool:
    if report is None or not path.is_file():
        return False
    return kind == "report" or (kind in report["files"] and report["files"][kind] in (None, file_sha256(path)))


@contextmanager
def _staging(output: Path, case: str) -> Iterator[Path]:
    """Make a folder for files that are not whole yet; `remove_parts` sweeps it away if the process is killed."""
    folder = output / f".{secrets.token_hex(4)}.{case}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _one_line(output: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        expected = "output must be a folder that can be written, with room in it"
        raise OutputError(f"{expected}. Received: {Path(output).name}: {error.strerror or error}") from error


def _without_link(path: str | Path) -> str:
    """Resolve the folder of a path, but not a link at its end: a file that is moved there replaces the link."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)
