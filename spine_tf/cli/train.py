"""Train a network. Without arguments: preset `small` on phantoms and a real sample CT; with --data ROOT: on VerSe."""

from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.common import DONE, CommonFlags
from spine_tf.cli.config_flags import parse_config
from spine_tf.config import Config


@dataclass(frozen=True)
class Flags(CommonFlags):
    run: Path = Path("runs/train")
    """The run's folder."""
    resume: bool = False
    """Go on from the last checkpoint in the run's folder, with the run's own config."""
    max_minutes: float | None = None
    """End training with the epoch in which this runs out."""
    data_root: Path = Path("data")
    """Where the embedded default keeps phantoms and sample CTs."""


def parse(args: list[str], prog: str | None) -> tuple[Config, Flags]:
    """Read a config's flags and these."""
    return parse_config(args, extra=Flags, description=__doc__, prog=prog)


def run(config: Config, flags: Flags) -> int:
    from spine_tf.training.run import train_run

    report = train_run(config, flags.run, flags.data_root, resume=flags.resume, max_minutes=flags.max_minutes)
    training = report["training"]
    if "worker" in report:
        print(f"worker {report['worker']}: {training['epochs']} epochs; the chief writes model and report")
        return DONE
    print(f"{training['epochs']} epochs, best {training['best_epoch']} by {training['monitor']}")
    print(f"model {flags.run / 'best.keras'}, curves {flags.run / 'curves.png'}, report {flags.run / 'report.json'}")
    return DONE
