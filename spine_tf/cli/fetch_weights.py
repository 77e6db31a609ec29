"""Fetch pretrained weights ahead of training, for a machine without a network. What is there already is kept."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from spine_tf.cli.common import DONE, FAILED, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    names: tyro.conf.Positional[tuple[str, ...]] = ("efficientnetlite0",)
    """Encoders, for their ImageNet weights (Lite0: 17 MB to download), or `astra`, ResNet-152 of CT (190 MB)."""
    data_root: Path = Path("data")
    """As in train.py; the weights are kept below its weights/."""


def run(flags: Flags) -> int:
    from spine_tf.models.pretrained import imagenet_weights
    from spine_tf.models.weight_files import ASTRA, converted_weights

    try:
        for name in flags.names:
            astra = name == "astra"
            print(converted_weights(ASTRA, flags.data_root) if astra else imagenet_weights(name, flags.data_root))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    return DONE
