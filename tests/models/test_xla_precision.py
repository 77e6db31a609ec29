"""One training step compiled by XLA in each precision. The file is also the program that takes it.

The measure is the relative L2 distance of the whole gradient, |g - g32| / |g32|, from that of the same network in
float32 without XLA. Networks of random weights on a small batch are chaotic: batch normalisation divides by standard
deviations of nearly nothing, and rounding alone turns the gradient. Here it divides by sqrt(variance + 1), and dropout
is off, whose noise XLA draws by other generators.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

FARTHEST = {"float32": 0.01, "mixed_float16": 0.1, "mixed_bfloat16": 0.3}
"""bfloat16 has 8 bits: each of some fifty layers may be wrong by 1/256 of what it gives."""
NETWORKS = {
    "attention_linknet": {"encoder": "tiny", "linknet_encoder": "resnet18", "share_branches": True},
    "fpn": {"encoder": "resnet18"},
}
SLOW = {
    "attention_linknet": {"encoder": "tiny", "linknet_encoder": "resnet18", "fusion_stride": 2},
    **{f"attention_{name}": NETWORKS["attention_linknet"] for name in ("fpn", "pspnet", "unet")},
    **{name: {"encoder": "resnet18"} for name in ("linknet", "pspnet", "unet")},
    "stacked_linknet": {"linknet_encoder": "resnet18", "decoder": "upsampling"},
    "hyperdensenet": {"stream_width": 0.04},
}


def _step(architecture: str, switches: dict, precisions: list[str]) -> None:
    """Print a line of JSON for each precision: is the gradient finite, and how far is it from float32's."""
    import keras
    import numpy as np
    import tensorflow as tf

    from spine_tf.config import VIEWS, ModelConfig
    from spine_tf.models import build_model
    from spine_tf.training.losses import get_loss

    side = 64 if switches.get("fusion_stride") == 2 else 32
    rng, loss = np.random.default_rng(0), get_loss("bce_dice")
    views = {view: tf.constant(rng.random((4, side, side, 3), np.float32)) for view in VIEWS}
    truth = tf.constant(rng.random((4, side, side, 3)) > 0.5, "float32")
    weights = reference = None
    for precision, jit_compile in (("float32", False), *((p, True) for p in precisions)):
        keras.config.set_dtype_policy(precision)
        keras.utils.set_random_seed(0)
        model = build_model(ModelConfig(architecture=architecture, **switches), side)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.epsilon = 1.0
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        weights = weights or model.get_weights()
        model.set_weights(weights)

        @tf.function(jit_compile=jit_compile)
        def gradient(model=model):
            with tf.GradientTape() as tape:
                scaled = 1024.0 * loss(truth, model(views, training=True))
            return [g / 1024.0 for g in tape.gradient(scaled, [v.value for v in model.trainable_variables])]

        found = np.concatenate([np.ravel(g).astype("float64") for g in gradient()])
        reference = found if reference is None else reference
        distance = float(np.linalg.norm(found - reference) / np.linalg.norm(reference))
        if jit_compile:
            facts = {"precision": precision, "finite": bool(np.isfinite(found).all()), "distance": distance}
            print(json.dumps(facts), flush=True)


def check(architecture: str, switches: dict, precisions: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, __file__, *map(json.dumps, (architecture, switches, precisions))],
        # XLA's default level of optimisation takes minutes to compile for a CPU.
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "",
            "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    print(architecture, rows)
    assert [row["precision"] for row in rows] == precisions
    for row in rows:
        assert row["finite"], row
        assert row["distance"] < FARTHEST[row["precision"]], row


@pytest.mark.parametrize(
    ("architecture", "precision"),
    [
        ("attention_linknet", "mixed_float16"),
        pytest.param("attention_linknet", "mixed_bfloat16", marks=pytest.mark.slow),
        pytest.param("fpn", "mixed_float16", marks=pytest.mark.slow),
        ("fpn", "mixed_bfloat16"),
    ],
)
def test_a_step_by_xla_has_nearly_the_gradient_of_float32(architecture, precision):
    check(architecture, NETWORKS[architecture], [precision])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", SLOW)
def test_so_has_every_architecture(architecture):
    check(architecture, SLOW[architecture], [*FARTHEST])


@pytest.mark.slow
def test_a_step_by_xla_in_float32_is_the_step_without_it():
    """The maximum over channels had a gradient of NaN here: XLA computes the channels twice, with other roundings."""
    check("attention_linknet", NETWORKS["attention_linknet"], ["float32"])


def test_every_architecture_is_tried():
    from spine_tf.config import ARCHITECTURES

    assert {*NETWORKS, *SLOW} == set(ARCHITECTURES)


if __name__ == "__main__":
    _step(*map(json.loads, sys.argv[1:]))
