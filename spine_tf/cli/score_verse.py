"""Score predicted label maps, or binary masks, as VerSe does: Dice per vertebra, identification, the whole mask."""

from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.common import DONE, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    pred: Path
    """<case>_seg-vert_msk.nii.gz (labels) with <case>_seg-subreg_ctd.json, or <case>_seg-spine_msk.nii.gz (binary)."""
    data: Path
    """VerSe's folders, or any with true masks and centroid files; each mask must have its prediction."""
    output: Path | None = None
    """Folder for scores.json and scores.csv; None: "verse" below that of the predictions."""


def run(flags: Flags) -> int:
    from spine_tf.scoring.verse import score_verse
    from spine_tf.scoring.verse_table import format_verse

    output = flags.output or flags.pred / "verse"
    rows = score_verse(flags.pred, flags.data, output)
    print(format_verse(rows))
    print(f"\nscores {output / 'scores.json'}, {output / 'scores.csv'}")
    return DONE
