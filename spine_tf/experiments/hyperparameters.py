"""Makes Table 2: the hyperparameters, read from the config of a preset."""

from spine_tf.config import Config
from spine_tf.experiments import published
from spine_tf.experiments.markdown import ABSENT, table_page
from spine_tf.support.tables import Table

LOSSES = {"bce": "binary cross-entropy", "bce_dice": "binary cross-entropy and soft Dice"}
OPTIMIZERS = {"adamax": "Adamax", "adam": "Adam", "rmsprop": "RMSProp"}


def hyperparameter_table(base: Config) -> dict:
    """Make Table 2 as plain values: "rows" with "label", "ours" and "paper" (None: its text does not give it)."""
    paper = published.TABLE_2
    rows = [{"label": label, "ours": ours, "paper": paper.get(label)} for label, ours in _ours(base).items()]
    return {
        "table": "2",
        "title": "Table 2: hyperparameters",
        "preset": base.preset,
        "rows": rows,
        "notes": published.notes("2"),
    }


def _ours(config: Config) -> dict[str, str]:
    spec, model, data, augment, train = (
        getattr(config, name) for name in ("preprocess", "model", "data", "augment", "train")
    )
    share = 100 * data.test_fraction
    decay = f"× {train.plateau_factor:g} after {train.plateau_patience} epochs without improvement"
    return {
        "image size": f"{spec.image_size} × {spec.image_size}",
        "training and test": f"{100 - share:g} % and {share:g} % of the subjects (with --data)",
        "validation": f"{100 * data.val_fraction:g} % of the training subjects (with --data)",
        "epochs": str(train.epochs),
        "triplets per case and epoch": str(data.triplets_per_case),
        "batch size": f"{data.batch_size} triplets",
        "learning rate": f"{train.learning_rate:g}",
        "learning rate decay": "cosine" if train.cosine else decay,
        "loss": LOSSES[train.loss],
        "optimizer": OPTIMIZERS[train.optimizer],
        "clamping": f"{spec.window_hu[0]:g} to {spec.window_hu[1]:g} HU",
        "smoothing": f"Gaussian, sigma {spec.smoothing_mm:g} mm" if spec.smoothing_mm else "as augmentation only",
        "reorienting": "RAS+" if spec.canonical else "off",
        "augmentation": f"mirroring {augment.flip:g}, rotation ± {augment.rotate_deg:g}°" if augment.augment else "off",
        "encoder of a view": model.encoder,
        "encoder of LinkNet": model.linknet_encoder,
        "attention": model.attention,
        "starting weights": "random" if train.encoder_weights == "none" else train.encoder_weights,
    }


def hyperparameter_cells(table: dict) -> Table:
    """Make the cells of Table 2."""
    rows = [[row["label"], row["paper"] or ABSENT, row["ours"]] for row in table["rows"]]
    return Table(["", "paper", f"ours, preset {table['preset']}"], rows, "lll")


def hyperparameter_text(table: dict) -> str:
    """Write Table 2 as Markdown."""
    return table_page(table, hyperparameter_cells(table))
