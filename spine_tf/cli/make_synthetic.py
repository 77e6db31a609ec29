"""Make synthetic CTs from label maps and phantoms, in VerSe'20's layout or as a contact sheet. `more`: VerSe masks."""

from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.common import DONE, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    root: Path = Path("data/synthetic")
    count: int = 24
    first_seed: int = 0
    data: Path = Path("data")
    more: Path | None = None
    phantom_share: float = 0.5
    sheet: Path | None = None
    """Draw this PNG instead of writing scans to `root`."""
    outline: bool = False


def run(flags: Flags) -> int:
    from spine_tf.data.synthesis.contact_sheet import save_contact_sheet
    from spine_tf.data.synthesis.make import find_label_maps, make_synthetic
    from spine_tf.data.synthesis.phantom import write_phantom
    from spine_tf.support.progress import progress_bar

    maps = find_label_maps(flags.data, flags.more)
    seeds = progress_bar(range(flags.first_seed, flags.first_seed + flags.count), unit="scan")
    scans = (make_synthetic(seed, maps, flags.phantom_share) for seed in seeds)
    if flags.sheet is not None:
        save_contact_sheet(flags.sheet, list(scans), outline=flags.outline)
    for scan in scans:
        write_phantom(scan, flags.root, f"synthetic{scan.seed:04d}")
    return DONE
