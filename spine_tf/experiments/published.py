"""Quotes what the paper reports, by table, as far as its text says it: the tables themselves were not at hand.

Source: Dastgir et al., "Attention LinkNet-152", Sci Rep 15:13102 (2025), sections "Results of semantic segmentation
models" to "Comparison of the proposed model with other deep learning models". Overlaps are percentages, losses as
written; a key that is absent is a cell that the text does not give.
"""

from collections.abc import Mapping
from typing import NamedTuple

ABSTRACT = {"dice": 96.85, "jaccard": 95.37}
"""Of the proposed network on VerSe 2019 and 2020 (abstract; again in the text of Table 7 and in the conclusion)."""

TABLE_1 = {"VerSe'19": {"series": 160}, "VerSe'20": {"series": 300}}
"""Table 1, "Dataset definition": CT images of each data set."""

TABLE_2 = {
    "image size": "256 × 256",
    "training and test": "80 % and 20 %",
    "epochs": "100",
    "learning rate": "0.001",
    "learning rate decay": "× 0.1 after 10 epochs without improvement",
    "loss": "binary cross-entropy",
    "optimizer": "Adamax",
    "clamping": "named, without limits",
    "smoothing": "named, without a filter",
    "reorienting": "named, without an orientation",
    "augmentation": "smoothing, clamping, rotating or flipping, without values",
    "encoder of a view": "EfficientNetB7",
    "encoder of LinkNet": "ResNet152",
    "attention": "a module after each of the first four blocks, without its kind",
}
"""Table 2, from "Pre-processing", "Data augmentation", "Step 1: train initial model", "Results of multiple optimizers"
and "Proposed LinkNet-152 model for spine segmentation"; which of them the printed table holds is not known."""

TABLE_3 = {
    "linknet": {"val_loss": 0.004, "jaccard": 90.0, "dice": 94.0},
    "fpn": {"val_loss": 0.007, "dice": 92.0},
    "pspnet": {"val_loss": 0.006, "jaccard": 90.0, "dice": 92.5},
    "unet": {"val_loss": 0.005, "jaccard": 90.0, "dice": 93.0},
}
"""Table 3, architectures: validation loss, Jaccard, Dice."""

TABLE_4 = {
    "resnet34": {"loss": 0.004, "val_loss": 0.007, "jaccard": 88.0, "dice": 91.0},
    "mobilenetv2": {"loss": 0.003, "val_loss": 0.006, "jaccard": 89.0, "dice": 92.0},
    "resnet50": {"loss": 0.005, "val_loss": 0.006, "jaccard": 88.0, "dice": 90.0},
    "efficientnetb7": {"loss": 0.002, "val_loss": 0.006, "jaccard": 90.0, "dice": 93.0},
}
"""Table 4, encoders of LinkNet-34: training loss, validation loss, Jaccard, Dice."""

TABLE_5 = {
    "rmsprop": {"loss": 0.002, "val_loss": 0.006, "jaccard": 89.0, "dice": 92.0, "plateau": 7},
    "adamax": {"loss": 0.002, "val_loss": 0.007, "jaccard": 89.0, "dice": 91.0},
    "adam": {"jaccard": 90.0, "dice": 91.0},
}
"""Table 5, optimizers of LinkNet-34 with EfficientNetB7 over 25 epochs; `plateau`: the epoch after which nothing
changes."""

TABLE_6: dict[str, dict[str, float]] = {}
"""Table 6, pre-processing and augmentation: the text gives no number and does not name the network."""


class Comparison(NamedTuple):
    """A row of Table 7."""

    work: str
    data: str
    percent: float
    measure: str
    """As the paper's text calls it."""
    reference: int
    """Its number in the paper's list."""


TABLE_7 = (
    Comparison("3D MRU-Net (Saeed 2023)", "VerSe 2019 and 2020", 95.19, "Dice", 37),
    Comparison("patch-based stacked auto-encoder (Qadri 2023)", "VerSe, CSI-Seg, Lumbar CT", 90.2, "accuracy", 4),
    Comparison("U-Net (Kim 2020)", "344 CTs of its own", 90.4, "accuracy", 8),
    Comparison("MLPNN and APCNN (Altini 2021)", "not given in the text", 94.2, "not named", 38),
    Comparison("patch-based deep belief network (Qadri 2019)", "not given in the text", 86.1, "not named", 39),
    Comparison("differentiable appearance model (Kim 2024)", "VerSe 2020", 90.0, "Dice", 40),
    Comparison("CHASPPRAU-Net (Saeed 2023)", "VerSe", 94.58, "Dice", 2),
    Comparison("Attention LinkNet-152 (the paper)", "VerSe 2019 and 2020", ABSTRACT["dice"], "Dice", 0),
)
"""Table 7, as the paper's text reports other works; none of these figures was checked at its own source."""

TABLES = {"3": TABLE_3, "4": TABLE_4, "5": TABLE_5, "6": TABLE_6}
"""Table -> row -> its figures."""


def jaccard_of(dice_percent: float) -> float:
    """Convert the Dice coefficient of one mask to its Jaccard index, D / (2 - D), both in percent.

    Example:
        >>> round(jaccard_of(96.85), 2)
        93.89
    """
    dice = dice_percent / 100
    return 100 * dice / (2 - dice)


def _too_high(name: str, row: dict[str, float]) -> str:
    return f"{name}: Dice {row['dice']:g} is Jaccard {jaccard_of(row['dice']):.1f}, reported {row['jaccard']:g}"


def overlap_note(table: str, labels: Mapping[str, str] | None = None) -> list[str]:
    """Name the rows of a table whose Dice and Jaccard cannot both hold on one mask, in a sentence, if there are any."""
    rows = TABLES.get(table, {}).items()
    rows = {(labels or {}).get(name, name): row for name, row in rows if {"dice", "jaccard"} <= set(row)}
    rows |= {"the proposed network": ABSTRACT} if table == "7" else {}
    found = [_too_high(*item) for item in rows.items() if abs(jaccard_of(item[1]["dice"]) - item[1]["jaccard"]) > 1]
    if not found:
        return []
    return [
        "The paper's Dice and Jaccard cannot both hold on one mask, where Jaccard = D / (2 - D) ("
        + "; ".join(found)
        + "). Means over slices may lie between the two, above all if empty slices count as perfect."
    ]


NOTES = {
    "1": (
        "The paper links to OSF nqjyw, which holds the data of 2019 alone; those of 2020 are OSF t98fz.",
        "The releases share scans: together they are 374 scans of 355 patients (spine_tf/data/verse.py).",
    ),
    "2": ("The paper chooses Adamax in the text of Table 5, by figures that do not show it ahead.",),
    "3": (
        "The paper does not name the encoder of Table 3. LinkNet-34 with ResNet34, as its name says, has Dice 91 and "
        "Jaccard 88 in Table 4, but 94 and 90 in Table 3: more than the best encoder of Table 4 (93 and 90).",
        "It writes the losses of Tables 3 and 4 as percentages, those of Table 5 without a sign.",
    ),
    "4": ("It writes the losses of Tables 3 and 4 as percentages, those of Table 5 without a sign.",),
    "5": (
        "The paper picks Adamax, although by its own figures RMSProp has the highest Dice (92) and Adam the highest "
        "Jaccard (90); Adamax has neither.",
        "The same network has Dice 93 and Jaccard 90 in Table 4, here with Adamax 91 and 89.",
        "The conclusion ascribes the proposed network's 96.85 and 95.37 to Adamax; no comparison of optimizers on "
        "that network is in the text.",
    ),
    "6": ("The paper's text says that Dice and Jaccard improved, without a figure, and does not name the network.",),
    "7": (
        "Rows stand on different data, and some figures may not be Dice: the text calls 90.2 and 90.4 an accuracy "
        "here and a Dice score under Related work.",
    ),
}
"""Table -> what does not fit in the paper's own figures, or between them and their sources."""


def notes(table: str, labels: Mapping[str, str] | None = None) -> list[str]:
    """List what is to be said beside a table about the paper's figures; `labels`: name of a row -> its label."""
    return [*overlap_note(table, labels), *NOTES.get(table, ())]
