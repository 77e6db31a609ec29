"""Measures what each step of volume inference is worth on a scan with a known mask: Dice, and time beside one pass.

All variants run in one process, `rounds` times in turn; time is a ratio of medians, never an absolute claim.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import tyro
from shipped import warm
from tqdm import tqdm

from spine_tf.config import PreprocessSpec
from spine_tf.support.environment import describe_environment
from spine_tf.support.files import write_json
from spine_tf.support.tables import Table, markdown_table
from spine_tf.views.components import GAP_MM, drop_small_components

VARIANTS = {
    "one look": (False, False),
    "coarse to fine": (True, False),
    "coarse to fine, flips": (True, True),
}
"""Name -> (coarse_to_fine, flips)."""

CLEAN_UP = {
    "as it comes": (0.0, 0.0),
    "below a tenth of the largest dropped": (0.1, 0.0),
    "largest component alone": (1.0, 0.0),
    "as shipped: parts across discs joined, below 0.3 dropped": (0.3, GAP_MM),
}
"""Name -> (min_share, gap_mm) of `postprocess.drop_small_components`."""


@dataclass(frozen=True)
class Flags:
    image: Path
    """The CT."""
    mask: Path
    """Its label map, VerSe ids."""
    model: Path | None = None
    """None: the model that comes with spine_tf."""
    rounds: int = 1
    """How often each variant is timed."""
    output: Path | None = None
    """JSON file for the rows."""


def measure(flags: Flags) -> list[dict]:
    """Make a row for each variant and clean-up: Dice, and time relative to one pass."""
    from spine_tf.data.cases import Case
    from spine_tf.data.loading import load_case
    from spine_tf.inference.engines import SHIPPED, load_engine
    from spine_tf.inference.volume import segment_volume
    from spine_tf.scans.labels import spine_mask
    from spine_tf.scoring import dice

    engine = load_engine(flags.model or SHIPPED)
    warm(engine)
    volume, labels = load_case(Case("scan", "scan", flags.image, flags.mask))
    truth, seconds, found = spine_mask(labels), {name: [] for name in VARIANTS}, {}
    for name in tqdm([*VARIANTS] * flags.rounds, desc="segmenting", unit="look"):
        coarse_to_fine, flips = VARIANTS[name]
        spec: PreprocessSpec = replace(engine.spec, coarse_to_fine=coarse_to_fine)
        start = time.monotonic()
        found[name] = segment_volume(volume, replace(engine, spec=spec), clean_up=False, flips=flips)
        seconds[name].append(time.monotonic() - start)
    one = median(seconds["one look"])
    return [
        {
            "variant": name,
            "clean_up": words,
            "dice": round(dice(truth, drop_small_components(result.mask, volume.spacing_mm, share, gap_mm)), 4),
            "time": round(median(seconds[name]) / one, 2),
            "triplets": result.positions,
        }
        for name, result in found.items()
        for words, (share, gap_mm) in CLEAN_UP.items()
    ]


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    rows = measure(flags)
    headings = ["variant", "clean-up", "Dice", "time", "triplets"]
    print(markdown_table(Table(headings, [[str(value) for value in row.values()] for row in rows], "llrrr")))
    if flags.output:
        write_json(flags.output, {"rows": rows, "environment": describe_environment()})


if __name__ == "__main__":
    main()
