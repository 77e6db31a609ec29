"""Segment the spine in thousands of CT scans with Ray: resumable, on one machine or on a cluster."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Flags:
    source: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="INPUT")]]
    """A folder with scans anywhere below it (NIfTI files, DICOM series), or a CSV with a column `path`."""
    output: Path
    """Folder for the results, of each case as predict.py writes them; on a cluster, storage that all machines see."""
    model: str | None = None
    """As predict.py takes it; None: the model that comes with spine_tf."""
    workers: int = 1
    """Actors, each with a model of its own."""
    threads: int | None = None
    """CPU threads of a worker; None: the machine's, shared out."""
    gpus_per_worker: float = 0.0
    """0: on the CPU; 0.5 puts two workers on a GPU."""
    address: str | None = None
    """Of a Ray cluster (auto, ray://host:10001); None: this machine."""
    overwrite: bool = False
    """Do cases again that are done."""
    save_probability: bool = False
    """Also write <case>_seg-spine_prob.nii.gz."""
    fast: bool = False
    """Take every second step and interpolate: about half the time, for a little of the Dice."""
    batch_size: int = 8
    """Triplets the network gets at once."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    # Imported after the flags are read: --help answers without waiting for TensorFlow.
    from spine_tf.batch import RESULTS, RayMissing, find_scans, predict_many
    from spine_tf.engines import SHIPPED
    from spine_tf.predict import exit_status

    own = {name: value for name, value in vars(flags).items() if name not in ("source", "model", "output")}
    try:
        outcomes = predict_many(find_scans(flags.source), flags.model or SHIPPED, flags.output, **own)
    except (ValueError, RayMissing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    counts = {status: sum(one.status == status for one in outcomes) for status in ("done", "skipped", "failed")}
    print(", ".join(f"{count} {status}" for status, count in counts.items()) + f"; {flags.output / RESULTS}")
    return exit_status(outcomes)


if __name__ == "__main__":
    sys.exit(main())
