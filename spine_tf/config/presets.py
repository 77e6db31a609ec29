"""Every choice of a run as frozen, validated dataclasses, and the presets `paper`, `small` and `tiny`.

No TensorFlow and no I/O beyond JSON here, so that anything may import it. A field name is also its command-line flag
(`cli/config_flags.py`), hence unique over all sections.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from spine_tf.config.sections import PREDICTION_BATCH, VIEWS, ModelConfig, PreprocessSpec, idle_fields, require
from spine_tf.config.training import AugmentConfig, DataConfig, TrainConfig

__all__ = [
    "PREDICTION_BATCH",
    "PRESETS",
    "VIEWS",
    "AugmentConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "PreprocessSpec",
    "TrainConfig",
    "config_from_dict",
    "spec_from_dict",
    "to_dict",
]


@dataclass(frozen=True)
class Config:
    """One run, whole."""

    preset: str = "paper"
    preprocess: PreprocessSpec = field(default_factory=PreprocessSpec)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self):
        architecture, train = self.model.architecture, self.train
        fits = train.encoder_weights != "imagenet" or "encoder" not in idle_fields(architecture)
        expected = f"'none' or a path for architecture={architecture!r}, which does not read encoder"
        require(fits, "encoder_weights", expected, train.encoder_weights)
        fits = train.linknet_weights == "none" or architecture in ("attention_linknet", "stacked_linknet")
        expected = f"'none' for architecture={architecture!r}, which has no LinkNet behind a map"
        require(fits, "linknet_weights", expected, train.linknet_weights)


PRESETS = {
    "paper": Config("paper", data=DataConfig(batch_size=2)),
    "small": Config(
        "small",
        PreprocessSpec(image_size=128),
        ModelConfig(encoder="efficientnetb0", linknet_encoder="resnet18"),
    ),
    "tiny": Config(
        "tiny",
        PreprocessSpec(image_size=32),
        ModelConfig(encoder="tiny", linknet_encoder="resnet18"),
        DataConfig(batch_size=4, triplets_per_case=8),
        train=TrainConfig(epochs=2),
    ),
}
SECTIONS = {
    "preprocess": PreprocessSpec,
    "model": ModelConfig,
    "data": DataConfig,
    "augment": AugmentConfig,
    "train": TrainConfig,
}


def to_dict(config) -> dict:
    """A dataclass as plain JSON types (paths become strings, tuples lists)."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def spec_from_dict(cls, values: dict):
    """Rebuild one section from `to_dict` output; an unknown or ill-typed key raises ValueError naming it."""
    known = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(known))
    require(not unknown, cls.__name__, f"made of the fields {sorted(known)}", unknown)
    made = dict(values)
    for name, value in values.items():
        if isinstance(value, list):
            made[name] = tuple(value)
        elif "Path" in str(known[name].type) and value is not None:
            made[name] = Path(value)
    return cls(**made)


def config_from_dict(values: dict, base: Config | None = None) -> Config:
    """Rebuild a Config from `to_dict` output or from a part of one; what is absent comes from `base` or the preset.

    Raises:
        ValueError: an unknown preset, section or field, or a value a section refuses.
    """
    preset = values.get("preset", base.preset if base else "paper")
    require(preset in PRESETS, "preset", f"one of {sorted(PRESETS)}", preset)
    unknown = sorted(set(values) - set(SECTIONS) - {"preset"})
    require(not unknown, "config", f"made of preset and the sections {sorted(SECTIONS)}", unknown)
    base = base or PRESETS[preset]
    sections = {
        name: spec_from_dict(cls, to_dict(getattr(base, name)) | values.get(name, {})) for name, cls in SECTIONS.items()
    }
    return Config(preset, **sections)
