"""Check how this machine trains: every way of training for a few steps, then the presets' speed, as one table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spine_tf.cli.common import DONE, FAILED, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    preset: Literal["tiny", "small", "paper"] = "tiny"
    """Of the network that every way of training is tried with."""
    presets: tuple[Literal["tiny", "small", "paper"], ...] | None = None
    """Timed for ten steps; None: small and paper where there is a GPU, none on a CPU."""
    max_minutes: float = 8.0
    """What has not ended by then is listed as not run."""
    only: str = ""
    """Run the trials alone whose names contain this, such as XLA."""
    output: Path = Path("runs/gpu-check")
    """Gets gpu_check.json and gpu_check.md."""


def run(flags: Flags) -> int:
    from spine_tf.experiments.gpu_check import check_machine, has_failed, write_report

    report = check_machine(flags.preset, flags.presets, flags.max_minutes, flags.only)
    print(f"\n{write_report(report, flags.output)}\n\ntable {flags.output / 'gpu_check.md'}")
    return FAILED if has_failed(report) else DONE
