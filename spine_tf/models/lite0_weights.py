"""Converts the weights of a PyTorch EfficientNet-Lite0 to the layers of `encoders.py`.

Source: `efficientnet-lite-pytorch` 0.1.0, `model.py`, whose weights are those of the TensorFlow checkpoint
(`tensorflow/tpu`, `efficientnet/lite`). Padding ("same"), epsilon (1e-3) and ReLU6 are the same in both.
"""

import numpy as np

from spine_tf.models.encoders import ENCODERS

PARTS = {
    "_expand_conv": "expand_conv",
    "_bn0": "expand_bn",
    "_depthwise_conv": "dwconv",
    "_bn1": "bn",
    "_project_conv": "project_conv",
    "_bn2": "project_bn",
}
"""Inside a repetition: name there -> name here. The first one has nothing to expand."""


def lite0_layers(state: dict[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Convert all layers of stem and blocks, named without the branch's prefix; head and classifier are left out.

    Args:
        state: PyTorch's state dict, `_conv_stem.weight` and so on, kernels (out, in, h, w).

    Returns:
        Layer name -> what its `set_weights` takes: kernels (h, w, in, out), depthwise ones (h, w, C, 1).
    """
    blocks = ENCODERS["efficientnetlite0"].blocks
    repetitions = [(n, r) for n, block in enumerate(blocks, start=1) for r in range(block.repeats)]
    names = {"_conv_stem": "stem_conv", "_bn0": "stem_bn"}
    for index, (number, repetition) in enumerate(repetitions):
        for theirs, ours in PARTS.items():
            names[f"_blocks.{index}.{theirs}"] = f"block{number}{chr(ord('a') + repetition)}_{ours}"
    return {ours: _weights(state, theirs) for theirs, ours in names.items() if f"{theirs}.weight" in state}


def _weights(state: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    """Convert one layer: a kernel, or the four arrays of a batch normalisation."""
    weight = state[f"{name}.weight"]
    if weight.ndim == 1:  # batch normalisation
        return [weight, *(state[f"{name}.{part}"] for part in ("bias", "running_mean", "running_var"))]
    return [weight.transpose(2, 3, 0, 1) if "depthwise" in name else weight.transpose(2, 3, 1, 0)]
