"""What a stored `.keras` file names is registered by importing the package, in a process that did nothing else."""

import subprocess
import sys

import keras
import numpy as np

from spine_tf.training.losses import get_loss
from spine_tf.training.metrics import training_metrics
from spine_tf.training.optimizers import OPTIMIZERS
from tests.support.paths import ROOT


def run(code: str, *args) -> str:
    done = subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_a_compiled_network_loads_in_a_fresh_process(tmp_path):
    x = np.float32([[0.0, 1.0]])
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs))
    model.compile(optimizer=OPTIMIZERS["adamax"](0.01), loss=get_loss("bce_dice"), metrics=training_metrics())
    model.save(tmp_path / "a.keras")
    code = "import sys, keras, spine_tf.training; print(keras.saving.load_model(sys.argv[1]).optimizer.name)"
    assert run(code, tmp_path / "a.keras") == model.optimizer.name
    assert model(x).shape == (1, 1)


def test_the_shipped_network_loads_in_a_fresh_process():
    code = (
        "import sys, keras, spine_tf.models; print(keras.saving.load_model(sys.argv[1], compile=False).count_params())"
    )
    assert int(run(code, ROOT / "saved_models" / "spine-small" / "model.keras")) > 10**6
