"""The preset `paper` at full size: it builds, runs and takes a training step. Needs about 8 GB and two minutes."""

import subprocess
import sys

import pytest

STEP = """
import resource
import numpy as np
import tensorflow as tf
from spine_tf.config import PRESETS, VIEWS
from spine_tf.training.losses import get_loss
from spine_tf.models import build_model
from spine_tf.training.optimizers import FusedAdamax

model = build_model(PRESETS["paper"].model, 256)
rng = np.random.default_rng(0)
slices = {view: rng.random((1, 256, 256, 3), dtype="float32") for view in VIEWS}
mask = tf.function(model)(slices, training=False)
assert mask.shape == (1, 256, 256, 3) and np.isfinite(mask).all()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"forward: peak {peak:.1f} GiB")
model.compile(optimizer=FusedAdamax(1e-3), loss=get_loss("bce"), jit_compile=False)
model.optimizer.build(model.trainable_variables)
before = model.get_layer("head_conv").kernel.numpy()
loss = model.train_on_batch(slices, np.zeros((1, 256, 256, 3), "float32"))
assert np.isfinite(loss) and np.abs(model.get_layer("head_conv").kernel.numpy() - before).max() > 0
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"training step: peak {peak:.1f} GiB, parameters {model.count_params()}")
"""


@pytest.mark.slow
def test_paper_runs_forward_and_takes_a_training_step():
    # In a process of its own, which gives the memory back.
    done = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "parameters 253510428" in done.stdout
