"""Print what a preset's network consists of, part by part, and draw it."""

import sys
from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.config_flags import parse_config


@dataclass(frozen=True)
class Flags:
    figure: Path | None = None
    """Write the architecture as a picture (PNG) to this file."""


def main() -> int:
    config, flags = parse_config(extra=Flags, description=__doc__)
    # Imported after the flags are read: --help answers without waiting for TensorFlow.
    from spine_tf.experiments.drawings.architecture import architecture_figure
    from spine_tf.models import build_model
    from spine_tf.models.summary import format_table, parameter_table

    try:
        model = build_model(config.model, config.preprocess.image_size)
        print(format_table(parameter_table(model)))
        if flags.figure:
            architecture_figure(model, flags.figure)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
