from spine_tf.support.tables import Table, latex_table, markdown_table, plain_table
from tests.support.markdown import cells

TABLE = Table(
    ["", "Dice %, paper", "Dice %, ours"],
    [["LinkNet-34", "94", "60.0 ± 10.0"], ["stacked_linknet", "not given", "040.0"]],
    "lrr",
)


def test_plain_text_is_aligned_and_has_one_rule():
    head, rule, first, second = plain_table(TABLE).splitlines()
    assert set(rule) == {"-", " "}
    assert len(head) == len(rule) == len(first) == len(second)
    assert first.split("  ")[0] == "LinkNet-34"
    # Right to the right, and no cell taken for a number.
    assert second.endswith("  040.0")


def test_lines_of_plain_text_end_without_blanks():
    table = Table(["case", "note"], [["a", "a longer one"], ["b", ""]], "ll")
    assert plain_table(table).splitlines()[2:] == ["a       a longer one", "b"]


def test_markdown_says_which_columns_are_numbers():
    head, rule, first, second = map(cells, markdown_table(TABLE).splitlines())
    assert head == list(TABLE.headings)
    assert [cell.strip("-") for cell in rule] == [":", ":", ":"]
    assert [cell.endswith(":") for cell in rule] == [False, True, True]
    assert [first, second] == TABLE.rows


def test_a_bar_in_a_cell_ends_no_cell_of_markdown():
    assert r"| a \| b |" in markdown_table(Table(["what"], [["a | b"]], "l"))


def test_latex_has_booktabs_rules_and_escapes_what_it_would_obey():
    lines = latex_table(TABLE, "Table 3: Dice & Jaccard", "table3").splitlines()
    assert [" ".join(line.split()) for line in lines[1:]] == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Table 3: Dice \& Jaccard}",
        r"\label{tab:table3}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"& Dice \%, paper & Dice \%, ours \\",
        r"\midrule",
        r"LinkNet-34 & 94 & 60.0 $\pm$ 10.0 \\",
        r"stacked\_linknet & not given & 040.0 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
