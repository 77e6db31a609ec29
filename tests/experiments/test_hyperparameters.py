from dataclasses import replace
from pathlib import Path

from spine_tf.experiments import published
from spine_tf.experiments.hyperparameters import hyperparameter_table, hyperparameter_text
from spine_tf.experiments.settings import base_config
from tests.support.markdown import squeezed

PAPER = base_config("paper", Path("runs"), None)


def test_the_paper_preset_is_what_the_text_gives_and_the_rest_is_said_to_be_absent():
    table = hyperparameter_table(PAPER)
    rows = {row["label"]: (row["paper"], row["ours"]) for row in table["rows"]}
    assert set(published.TABLE_2) <= set(rows)
    for label in ("image size", "epochs", "learning rate", "learning rate decay", "loss", "optimizer"):
        assert rows[label][0] == rows[label][1]
    text = squeezed(hyperparameter_text(table))
    assert "| batch size | not given | 2 triplets |" in text
    assert "| image size | 256 × 256 | 256 × 256 |" in text


def test_what_is_changed_in_the_config_is_in_the_table():
    train = replace(PAPER.train, optimizer="adam", cosine=True, loss="bce_dice")
    made = replace(PAPER, train=train, augment=replace(PAPER.augment, augment=False))
    ours = {row["label"]: row["ours"] for row in hyperparameter_table(made)["rows"]}
    assert (ours["optimizer"], ours["learning rate decay"], ours["augmentation"]) == ("Adam", "cosine", "off")
    assert ours["loss"] == "binary cross-entropy and soft Dice"
