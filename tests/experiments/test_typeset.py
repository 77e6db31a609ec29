import numpy as np
import pytest
from PIL import Image

from spine_tf.experiments.typeset import latex, plain, read_tables, table_picture, write_typeset

TABLE = """# Table 3: architectures

| | Dice %, paper | Dice %, ours |
|---|---:|---:|
| LinkNet-34 | 94 | 60.0 ± 10.0 |
| `stacked_linknet` | not given | **40.0** |

A sentence.

| second | table |
|---|---|
| 1 | 2 |

- a note with a | in it
"""


def test_tables_are_found_between_the_sentences():
    first, second = read_tables(TABLE)
    heads, numbers, rows = first
    assert heads == ["", "Dice %, paper", "Dice %, ours"]
    assert numbers == [False, True, True]
    assert rows == [["LinkNet-34", "94", "60.0 ± 10.0"], ["`stacked_linknet`", "not given", "**40.0**"]]
    assert second == (["second", "table"], [False, False], [["1", "2"]])


def test_latex_has_booktabs_rules_and_escapes_what_it_would_obey():
    text = latex(TABLE, "Table 3: Dice & Jaccard", "table3")
    assert text.splitlines()[1:] == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Table 3: Dice \& Jaccard}",
        r"\label{tab:table3}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r" & Dice \%, paper & Dice \%, ours \\",
        r"\midrule",
        r"LinkNet-34 & 94 & 60.0 $\pm$ 10.0 \\",
        r"stacked\_linknet & not given & 40.0 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("`paper`", "paper"),
        ("**held out: a CT**", "held out: a CT"),
        ("3 * 4", "3 * 4"),
        ("*so*", "so"),
        ("a_b", "a_b"),
    ],
)
def test_signs_of_markdown_are_dropped(markdown, words):
    assert plain(markdown) == words


def test_a_picture_grows_with_its_rows_and_nothing_leaves_it(tmp_path):
    longer = TABLE.replace("| `stacked", "| a row more | 1 | 2 |\n| `stacked")
    for name, text in (("short", TABLE), ("long", longer)):
        table_picture(tmp_path / f"{name}.png", text, "Table 3: architectures")
    pictures = {}
    for name in ("short", "long"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            pictures[name] = np.asarray(picture.convert("L"))
    # One line and its padding, 0.29 inches at 150 dots an inch.
    assert pictures["long"].shape[0] - pictures["short"].shape[0] == pytest.approx(43.5, abs=1)
    for pixels in pictures.values():
        assert min(pixels[:5].min(), pixels[-5:].min(), pixels[:, :5].min(), pixels[:, -5:].min()) == 255
    # Three rules across: nearly black rows.
    dark = (pictures["short"] < 128).mean(axis=1) > 0.9
    assert np.count_nonzero(np.diff(dark.astype(int)) == 1) == 3


def test_both_are_written_beside_the_markdown(tmp_path):
    write_typeset(tmp_path / "table3", TABLE, "Table 3: architectures")
    assert {path.name for path in tmp_path.iterdir()} == {"table3.tex", "table3_table.png"}
    assert (tmp_path / "table3.tex").read_text() == latex(TABLE, "Table 3: architectures", "table3")
