"""Prune a trained run's network, fine-tune what is left, and say what it costs and gains. Resumable."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from spine_tf.config import PruneSettings
from spine_tf.training.prune_settings import read_settings


@dataclass(frozen=True)
class Own:
    run: Path = Path("runs/pruned")
    """The new run's folder."""
    resume: bool = False
    """Go on from the last checkpoint in the run's folder, with the run's own settings."""
    max_minutes: float | None = None
    """End fine-tuning with the epoch in which this runs out."""
    against: Path | None = None
    """A finished run with --control and the same settings, whose Dice is put beside this one's."""
    data_root: Path = Path("data")
    """Where the embedded default keeps phantoms and sample CTs."""


@dataclass(frozen=True)
class Flags:
    settings: tyro.conf.OmitArgPrefixes[PruneSettings]
    own: tyro.conf.OmitArgPrefixes[Own]


def main() -> int:
    wanted = [argument for argument in sys.argv[1:] if argument not in ("-h", "--help")]
    own, _ = tyro.cli(Own, args=wanted, return_unknown_args=True, add_help=False)
    try:
        default = Flags(read_settings(own.run) if own.resume else PruneSettings(), own)
        flags = tyro.cli(Flags, default=default, description=__doc__)
        # Imported after the flags are read: --help answers without waiting for TensorFlow.
        from spine_tf.training.prune_report import control_dice, write_verdict
        from spine_tf.training.prune_run import run_pruning

        if own.against:
            control_dice(own.against, flags.settings)
        run_pruning(flags.settings, own.run, own.data_root, resume=own.resume, max_minutes=own.max_minutes)
        write_verdict(own.run, own.against)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\n{(own.run / 'verdict.md').read_text()}\nmodel {own.run / 'best.keras'}, verdict {own.run / 'verdict.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
