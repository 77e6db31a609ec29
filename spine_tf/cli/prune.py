"""Prune a trained run's network, fine-tune what is left, and say what it costs and gains. Resumable."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from spine_tf.cli.common import DONE, CommonFlags
from spine_tf.config import PruneSettings


@dataclass(frozen=True)
class Flags(CommonFlags):
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
class _All:
    settings: tyro.conf.OmitArgPrefixes[PruneSettings]
    own: tyro.conf.OmitArgPrefixes[Flags]


def parse(args: list[str], prog: str | None) -> tuple[PruneSettings, Flags]:
    """Read the settings' flags and these; with --resume the run's own settings are the defaults."""
    wanted = [argument for argument in args if argument not in ("-h", "--help")]
    own, _ = tyro.cli(Flags, args=wanted, return_unknown_args=True, add_help=False)
    settings = PruneSettings()
    if own.resume:
        from spine_tf.training.prune_settings import read_settings

        settings = read_settings(own.run)
    parsed = tyro.cli(_All, args=args, prog=prog, default=_All(settings, own), description=__doc__)
    return parsed.settings, parsed.own


def run(settings: PruneSettings, flags: Flags) -> int:
    from spine_tf.training.prune_report import control_dice, write_verdict
    from spine_tf.training.prune_run import run_pruning

    if flags.against:
        control_dice(flags.against, settings)
    run_pruning(settings, flags.run, flags.data_root, resume=flags.resume, max_minutes=flags.max_minutes)
    write_verdict(flags.run, flags.against)
    verdict = flags.run / "verdict.md"
    print(f"\n{verdict.read_text()}\nmodel {flags.run / 'best.keras'}, verdict {verdict}")
    return DONE
