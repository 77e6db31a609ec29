"""Converts an inflated 3-D ResNet of PyTorch to the 2-D encoder of our LinkNet, as far as the two agree.

Kernels are summed over their depth: on a volume that does not change along its depth, padded with itself, the 3-D
network and the summed 2-D one give the same maps.

The original normalises after each convolution and rectifies after each addition (He et al., "Deep Residual Learning",
2016a); the encoder of segmentation-models does both before the convolutions and adds unrectified maps ("Identity
Mappings", 2016b). Each of its layers gets what makes it compute what the original's layer computes:

- conv1, conv2: the original's kernels; bn2, bn3: the normalisation that follows these;
- conv3 and the shortcut sc: the kernels times the scale of the normalisation that followed; its shift has no place
  there and is carried on into the next bn1;
- bn1: lets its input through, plus that shift. Its moving statistics, which training replaces by those of the batch,
  are what the normalisations before it promise: the sum of their beta and of their gamma squared.

So the first unit of each stage gives what the original's gives for the same input. After the other units the sum keeps
negative values, which the original sets to zero: the maps drift apart from unit to unit. Three things are not
converted: `conv0`, which reads our fused map instead of a CT, its statistics in `bn0`, and `bn_data`, which the
original does not have.
"""

import math
import re

import numpy as np
from scipy.special import ndtr

THEIR_EPSILON, OUR_EPSILON = 1e-5, 2e-5
"""Of batch normalisation, in PyTorch and in segmentation-models."""

_FIRST_CONVOLUTION = re.compile(r"layer(\d+)\.(\d+)\.conv1\.weight")


def resnet_layers(state: dict[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Convert the weights of all layers of the encoder but `conv0` and `bn_data`, named without the prefix `linknet_`.

    Args:
        state: state dict of an inflated bottleneck ResNet: `conv1.weight`, `layer1.0.bn3.bias` and so on, kernels
            (out, in, depth, h, w); stride in the 3 x 3 convolutions.

    Returns:
        Layer name -> what its `set_weights` takes; kernels (h, w, in, out). `bn0` has moving statistics of 0 and 1.
    """
    beta, gamma = state["bn1.bias"], state["bn1.weight"]
    mean, variance = _rectified_moments(beta, np.square(gamma))
    layers = {"bn0": [gamma, beta, np.zeros_like(beta), np.ones_like(beta)]}
    shift = np.zeros_like(mean)
    found = [_FIRST_CONVOLUTION.fullmatch(name) for name in state]
    for stage, unit in sorted((int(match[1]), int(match[2])) for match in found if match):
        theirs, ours = f"layer{stage}.{unit}", f"stage{stage}_unit{unit + 1}"
        layers[f"{ours}_bn1"] = _let_through(mean, variance, shift)
        for number in (1, 2):
            layers[f"{ours}_conv{number}"] = [_kernel(state, f"{theirs}.conv{number}")]
            layers[f"{ours}_bn{number + 1}"] = _normalization(state, f"{theirs}.bn{number}")
        branches = [("conv3", "conv3", "bn3")]
        if unit == 0:
            branches.append(("sc", "downsample.0", "downsample.1"))
            mean, variance, shift = 0.0, 0.0, 0.0
        for layer, convolution, normalization in branches:
            scale, offset = _scale_and_shift(state, f"{theirs}.{normalization}")
            layers[f"{ours}_{layer}"] = [_kernel(state, f"{theirs}.{convolution}") * scale]
            mean = mean + state[f"{theirs}.{normalization}.bias"]
            variance = variance + np.square(state[f"{theirs}.{normalization}.weight"])
            shift = shift + offset
    layers["bn1"] = _let_through(mean, variance, shift)
    return {name: [np.asarray(array, np.float32) for array in arrays] for name, arrays in layers.items()}


def _kernel(state: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Sum a kernel over its depth: (out, in, depth, h, w) -> (h, w, in, out)."""
    return state[f"{name}.weight"].sum(axis=2).transpose(2, 3, 1, 0)


def _scale_and_shift(state: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Give scale and shift of a batch normalisation in inference, x * scale + shift."""
    scale = state[f"{name}.weight"] / np.sqrt(state[f"{name}.running_var"] + THEIR_EPSILON)
    return scale, state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale


def _normalization(state: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    """Convert a batch normalisation, with gamma corrected for the other epsilon."""
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scale, _ = _scale_and_shift(state, name)
    return [scale * np.sqrt(variance + OUR_EPSILON), state[f"{name}.bias"], mean, variance]


def _let_through(mean, variance, shift) -> list[np.ndarray]:
    """Make a batch normalisation that adds `shift` to an input; the sum has this mean and variance."""
    return [np.sqrt(variance + OUR_EPSILON), mean, mean - shift, variance]


def _rectified_moments(mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and variance of max(x, 0) for a normal x."""
    deviation = np.sqrt(variance + OUR_EPSILON)
    ratio = mean / deviation
    density, positive = np.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi), ndtr(ratio)
    first = mean * positive + deviation * density
    second = (mean**2 + deviation**2) * positive + mean * deviation * density
    return first, np.maximum(second - first**2, 0.0)
