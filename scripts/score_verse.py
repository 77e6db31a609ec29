"""Score predicted label maps, or binary masks, as VerSe does: Dice per vertebra, identification, the whole mask."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Flags:
    pred: Path
    """<case>_seg-vert_msk.nii.gz (labels) with <case>_seg-subreg_ctd.json, or <case>_seg-spine_msk.nii.gz (binary)."""
    data: Path
    """VerSe's folders, or any with true masks and centroid files; each mask must have its prediction."""
    output: Path | None = None
    """Folder for scores.json and scores.csv; None: "verse" below that of the predictions."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.scoring.verse import score_verse
    from spine_tf.scoring.verse_table import format_verse

    output = flags.output or flags.pred / "verse"
    try:
        rows = score_verse(flags.pred, flags.data, output)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(format_verse(rows))
    print(f"\nscores {output / 'scores.json'}, {output / 'scores.csv'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
