"""Train a network. Without arguments: preset `small` on phantoms and a real sample CT; with --data ROOT: on VerSe."""

import sys
from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.config_flags import parse_config


@dataclass(frozen=True)
class Flags:
    run: Path = Path("runs/train")
    """The run's folder."""
    resume: bool = False
    """Go on from the last checkpoint in the run's folder, with the run's own config."""
    max_minutes: float | None = None
    """End training with the epoch in which this runs out."""
    data_root: Path = Path("data")
    """Where the embedded default keeps phantoms and sample CTs."""


def main() -> int:
    config, flags = parse_config(extra=Flags, description=__doc__)
    # Imported after the flags are read: --help answers without waiting for TensorFlow.
    from spine_tf.training.run import train_run

    try:
        report = train_run(config, flags.run, flags.data_root, resume=flags.resume, max_minutes=flags.max_minutes)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    training = report["training"]
    if "worker" in report:
        print(f"worker {report['worker']}: {training['epochs']} epochs; the chief writes model and report")
        return 0
    print(f"{training['epochs']} epochs, best {training['best_epoch']} by {training['monitor']}")
    print(f"model {flags.run / 'best.keras'}, curves {flags.run / 'curves.png'}, report {flags.run / 'report.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
