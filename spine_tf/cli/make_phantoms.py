"""Make synthetic CT spines in VerSe'20's layout. About a second each; complete ones that are there are kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spine_tf.cli.common import DONE, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    root: Path = Path("data/phantoms")
    """Folder that gets rawdata/ and derivatives/."""
    count: int = 16
    first_seed: int = 0
    """Seed of the first one; the others follow."""
    anatomy: Literal["random", "scoliosis_metal"] = "random"
    """`random` is what is trained on; `scoliosis_metal` is kept for tests."""
    workers: int = 1
    figure: Path | None = None
    """Instead of writing scans, draw the picture of six phantoms to this PNG."""


def run(flags: Flags) -> int:
    if flags.figure is not None:
        from spine_tf.data.synthesis.phantom.figure import save_phantom_figure

        save_phantom_figure(flags.figure)
    else:
        from spine_tf.data.synthesis.phantom import write_phantoms

        seeds = range(flags.first_seed, flags.first_seed + flags.count)
        print(f"{len(write_phantoms(flags.root, seeds, flags.anatomy, flags.workers))} phantoms in {flags.root}")
    return DONE
