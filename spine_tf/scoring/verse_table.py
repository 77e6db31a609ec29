"""Formats VerSe's scores: a table of cases, one of labels, one of regions, and what one must know to read them."""

import math

from spine_tf.scoring.verse import FROM_MAP, NOT_APPLICABLE
from spine_tf.support.tables import Table, plain_table

WHOLE = {"whole_dice_1mm": ("whole-mask Dice", 3)}
MASKS = {
    "vertebrae": ("vertebrae", 0),
    "missed": ("missed", 0),
    "extra": ("extra", 0),
    "vertebra_dice": ("vertebra Dice", 3),
    "hd_mm": ("HD mm", 1),
    "hd95_mm": ("HD95 mm", 1),
    "surface_dice_1mm": ("sDice 1 mm", 3),
    "surface_dice_2mm": ("sDice 2 mm", 3),
}
PLACES = {
    "located": ("centroids", 0),
    "hits": ("hits", 0),
    "id_rate": ("id.rate", 3),
    "d_mean_mm": ("d_mean mm", 1),
}
"""Each score: heading and decimals. Whole mask and vertebrae have columns of their own."""

NOTES = """\
whole-mask Dice: all vertebrae as one mask, at 1 mm. vertebra Dice: another quantity, of the true labels one by one on
the truth's own grid (1-25 and 28; a missed one counts 0); regions: mean over the cases of a label, then over labels.
HD, HD95: of the surfaces, means over the vertebrae that both label; a missed one has no distance, so read them beside
"missed". sDice: surface Dice; a missed one counts 0. extra: predicted labels that the truth does not have.
id.rate: hits / true centroids; a hit is nearest to its own truth and at most 20 mm away, a missing one is a miss, an
extra one costs nothing. d_mean: over the labels that both have a centroid of; none: "-"."""


def format_verse(rows: list[dict]) -> str:
    """Format the rows of `score_verse` as tables for the terminal, with notes."""
    tables = {name: [row for row in rows if row["table"] == name] for name in ("case", "mean", "label", "region")}
    facts = {"case": "case", "prediction": "prediction", "truth_centroids": "true ctd", "pred_centroids": "pred. ctd"}
    texts = [_table(tables["case"] + tables["mean"], facts, WHOLE | MASKS | PLACES)]
    by_label = {name: heading for name, heading in (MASKS | PLACES).items() if name != "extra"}
    if tables["label"]:
        texts.append(_table(tables["label"], {"name": "label"}, by_label))
        texts.append(_table(tables["region"], {"name": "region"}, {"labels": ("labels", 0)} | by_label))
    else:
        binary = all(case["vertebra_dice"] == NOT_APPLICABLE for case in tables["case"])
        texts.append(f"per vertebra: {NOT_APPLICABLE if binary else 'the truth has none'}")
    return "\n\n".join([*texts, "\n".join([NOTES, *_notes(tables["case"], tables["mean"])])])


def _notes(cases: list[dict], means: list[dict]) -> list[str]:
    notes = []
    binary = sum(case["vertebra_dice"] == NOT_APPLICABLE for case in cases)
    if binary:
        notes.append(f"n/a: {NOT_APPLICABLE}: {binary} of {len(cases)} predictions are binary, without vertebrae.")
    from_map = sum(case["pred_centroids"] == FROM_MAP for case in cases)
    if from_map:
        without = f"{from_map} of {len(cases)} predictions have no centroid file"
        notes.append(f"pred. ctd: {without}; theirs are centres of mass of whole vertebrae,")
        notes.append("which lie behind the middles of bodies that VerSe's files hold.")
    floors_mm = [row["d_floor_mm"] for row in means if row["d_floor_mm"] != NOT_APPLICABLE]
    if not all(map(math.isnan, floors_mm)):
        notes.append(f"Where the truth has a file, its own centres of mass are {floors_mm[0]:.1f} mm from it (mean).")
    return notes


def _table(rows: list[dict], facts: dict[str, str], scores: dict[str, tuple[str, int]]) -> str:
    lines = []
    for row in rows:
        texts = [str(row.get(fact, "")) for fact in facts]
        lines.append(
            ["n/a" if text == NOT_APPLICABLE else text for text in texts]
            + [_cell(row.get(name, math.nan), decimals) for name, (_, decimals) in scores.items()]
        )
    headings = [*facts.values(), *(heading for heading, _ in scores.values())]
    return plain_table(Table(headings, lines, "l" * len(facts) + "r" * len(scores)))


def _cell(value: float | str, decimals: int) -> str:
    if isinstance(value, str):
        return "n/a" if value == NOT_APPLICABLE else value
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"
