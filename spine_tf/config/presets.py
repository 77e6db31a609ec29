"""Describes a whole run, and names the presets `paper`, `small` and `tiny`.

No TensorFlow and no files here, so that anything may import it. A field name is also its command-line flag
(`cli/config_flags.py`), hence unique over all sections.
"""

from dataclasses import dataclass, field, replace

from spine_tf.config.checks import require
from spine_tf.config.model import ModelConfig, idle_fields
from spine_tf.config.preprocess import PreprocessSpec
from spine_tf.config.training import AugmentConfig, DataConfig, TrainConfig


@dataclass(frozen=True)
class Config:
    """One run, whole.

    Example:
        >>> Config(train=TrainConfig(epochs=9)).train.loss
        'bce'
    """

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


def with_changes(config: Config, **sections: dict) -> Config:
    """Change fields of a config's sections.

    Args:
        config: left as it is.
        **sections: section -> field name -> new value.

    Returns:
        A new Config; what is not named is that of `config`.

    Raises:
        ValueError: a value that a section refuses, or sections that do not fit together.

    Example:
        >>> with_changes(PRESETS["tiny"], train={"epochs": 9}, model={"attention": "se"}).train.epochs
        9
    """
    return replace(config, **{name: replace(getattr(config, name), **values) for name, values in sections.items()})
