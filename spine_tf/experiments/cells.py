"""Defines the grids of runs behind Tables 3 to 7 and the ablations: a cell is one change of a preset's config.

Two cells whose configs are equal, such as LinkNet-34 of Table 3 and ResNet34 of Table 4, are one run.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from spine_tf.config import Config, ModelConfig, with_changes

TABLE_5_EPOCHS = 25
"""Paper, "RMSprop optimizer analysis": "over the course of 25 epochs"."""
RAW_WINDOW_HU = (-1024.0, 3071.0)
"""All that a CT scanner gives: clamping to it changes nothing."""
BEST_ENCODER = "efficientnetb7"
"""Paper, "Results of multiple optimizers": the encoder that Table 5 is about."""


class Cell(NamedTuple):
    """A row of a table that is a network to train."""

    label: str
    change: Callable[[Config], Config]
    """From the preset's config to the cell's."""


def _slices(network: str, encoder: str = "resnet34") -> Callable[[Config], Config]:
    """Change to a network of single slices; the fields that it does not read must have their defaults."""

    def change(config: Config) -> Config:
        model = ModelConfig(architecture=network, encoder=encoder, norm_momentum=config.model.norm_momentum)
        return replace(config, model=model)

    return change


def _model(**fields) -> Callable[[Config], Config]:
    return partial(with_changes, model=fields)


def _then(*changes: Callable[[Config], Config]) -> Callable[[Config], Config]:
    def change(config: Config) -> Config:
        for step in changes:
            config = step(config)
        return config

    return change


def _optimizer(name: str) -> Callable[[Config], Config]:
    def change(config: Config) -> Config:
        return with_changes(config, train={"optimizer": name, "epochs": min(TABLE_5_EPOCHS, config.train.epochs)})

    return _then(_slices("linknet", BEST_ENCODER), change)


def _without_branches(config: Config) -> Config:
    model = ModelConfig(
        architecture="stacked_linknet",
        linknet_encoder=config.model.linknet_encoder,
        norm_momentum=config.model.norm_momentum,
    )
    return replace(config, model=model)


def _one_view(config: Config) -> Config:
    return _slices("linknet", config.model.linknet_encoder)(config)


_NO_AUGMENTATION = partial(with_changes, augment={"augment": False})
_NO_PREPROCESSING = partial(
    with_changes, preprocess={"window_hu": RAW_WINDOW_HU, "smoothing_mm": 0.0, "canonical": False}
)

GRIDS: dict[str, dict[str, Cell]] = {
    "3": {
        "linknet": Cell("LinkNet-34", _slices("linknet")),
        "fpn": Cell("FPN", _slices("fpn")),
        "pspnet": Cell("PSPNet", _slices("pspnet")),
        "unet": Cell("U-Net", _slices("unet")),
    },
    "4": {
        "resnet34": Cell("ResNet34", _slices("linknet")),
        "mobilenetv2": Cell("MobileNetV2", _slices("linknet", "mobilenetv2")),
        "resnet50": Cell("ResNet50", _slices("linknet", "resnet50")),
        "efficientnetb7": Cell("EfficientNetB7", _slices("linknet", "efficientnetb7")),
    },
    "5": {
        "rmsprop": Cell("RMSProp", _optimizer("rmsprop")),
        "adamax": Cell("Adamax", _optimizer("adamax")),
        "adam": Cell("Adam", _optimizer("adam")),
    },
    "6": {
        "both": Cell("pre-processing and augmentation", _slices("linknet")),
        "preprocessing": Cell("pre-processing alone", _then(_slices("linknet"), _NO_AUGMENTATION)),
        "augmentation": Cell("augmentation alone", _then(_slices("linknet"), _NO_PREPROCESSING)),
        "neither": Cell("neither", _then(_slices("linknet"), _NO_AUGMENTATION, _NO_PREPROCESSING)),
    },
    "ablation": {
        "proposed": Cell("proposed: CBAM, 3 views, a branch each", lambda config: config),
        "se": Cell("attention: SE", _model(attention="se")),
        "no-attention": Cell("attention: none", _model(attention="none")),
        "shared": Cell("3 views, one shared branch", _model(share_branches=True)),
        "no-branches": Cell("3 views, no branches (LinkNet of nine channels)", _without_branches),
        "one-view": Cell("1 view, no branches (LinkNet of single slices)", _one_view),
        "resnet34": Cell("LinkNet's encoder: ResNet34", _model(linknet_encoder="resnet34")),
        "resnet152": Cell("LinkNet's encoder: ResNet152", _model(linknet_encoder="resnet152")),
    },
    "7": {"proposed": Cell("Attention LinkNet (ours)", lambda config: config)},
}
"""Table -> name of a cell -> the cell, in the order of the rows."""

NOT_BUILT = {"ablation": ("1 view, an attended branch of its own",)}
"""Rows for which there is no network here: the branches are built for a triplet of views."""


def cell_config(table: str, name: str, base: Config, seed: int) -> Config:
    """Make the config of a cell's run.

    Args:
        table: a key of `GRIDS`.
        name: a key of its row.
        base: the preset's config (`settings.base_config`).
        seed: of weights and triplets.

    Raises:
        ValueError: a table without runs, or a cell that it does not have.

    Example:
        >>> from spine_tf.config import PRESETS
        >>> cell_config("3", "unet", PRESETS["tiny"], seed=1).model.architecture
        'unet'
    """
    if table not in GRIDS:
        raise ValueError(f"table must be one of {list(GRIDS)}. Received: table={table!r}")
    if name not in GRIDS[table]:
        raise ValueError(f"cells of table {table} must be among {list(GRIDS[table])}. Received: {name!r}")
    return with_changes(GRIDS[table][name].change(base), train={"seed": seed})


def run_place(table: str, name: str, base: Config) -> Path:
    """Find where a cell's runs lie below the preset's folder: at the first cell of all that has the same config.

    Example:
        >>> from spine_tf.config import PRESETS
        >>> run_place("4", "resnet34", PRESETS["tiny"]).as_posix()
        'table3/linknet'
    """
    wanted = cell_config(table, name, base, 0)
    for other, cells in GRIDS.items():
        for cell in cells:
            if cell_config(other, cell, base, 0) == wanted:
                return Path(folder_name(other)) / cell
    raise AssertionError("a cell equals itself")


def seed_folder(place: Path, seed: int) -> Path:
    """Name the folder of the run with one seed, below that of its cell."""
    return Path(place) / f"seed{seed}"


def folder_name(table: str) -> str:
    """Name a table's folder of runs, and its files of results: "3" -> "table3", "ablation" -> "ablation"."""
    return f"table{table}" if table.isdigit() else table
