"""Print what a preset's network consists of, part by part, and draw it."""

from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.common import DONE, CommonFlags
from spine_tf.cli.config_flags import parse_config
from spine_tf.config import Config


@dataclass(frozen=True)
class Flags(CommonFlags):
    figure: Path | None = None
    """Write the architecture as a picture (PNG) to this file."""


def parse(args: list[str], prog: str | None) -> tuple[Config, Flags]:
    """Read a config's flags and these."""
    return parse_config(args, extra=Flags, description=__doc__, prog=prog)


def run(config: Config, flags: Flags) -> int:
    from spine_tf.experiments.drawings.architecture import architecture_figure
    from spine_tf.models import build_model
    from spine_tf.models.summary import format_table, parameter_table

    model = build_model(config.model, config.preprocess.image_size)
    print(format_table(parameter_table(model)))
    if flags.figure:
        architecture_figure(model, flags.figure)
    return DONE
