"""A user may import tensorflow_model_optimization and segmentation_models before us: a process for each order.

Both settle which Keras `tf.keras` is; our networks are Keras 3 all the same, and what the user imported is left alone.
"""

import itertools
import os
import subprocess
import sys

import pytest

LINES = {
    "keras": "import keras",
    "tfmot": "import tensorflow_model_optimization",
    "sm": "import os; os.environ['SM_FRAMEWORK'] = 'tf.keras'; import segmentation_models as theirs",
    "ours": "import spine_tf.models, spine_tf.pruning",
}

USE = """
import os, sys
import keras, segmentation_models, tensorflow as tf
from spine_tf.config import PRESETS
from spine_tf.models import build_model
from spine_tf.pruning.schedules import due, polynomial_decay

before = tf.keras.Model, segmentation_models.Linknet(input_shape=(32, 32, 3), encoder_weights=None).__class__
model = build_model(PRESETS["tiny"].model, 32)
assert isinstance(model, keras.Model) and keras.__version__.startswith("3.")
after = tf.keras.Model, segmentation_models.Linknet(input_shape=(32, 32, 3), encoder_weights=None).__class__
assert before == after, (before, after)
assert sys.modules["segmentation_models"] is theirs
assert due(polynomial_decay(0.5, 0, 10), 10) == 0.5
assert "TF_USE_LEGACY_KERAS" not in os.environ
"""

FAST = "keras tfmot sm ours"
ORDERS = [" ".join(order) for order in itertools.permutations(LINES)]


@pytest.mark.parametrize("order", [o if o == FAST else pytest.param(o, marks=pytest.mark.slow) for o in ORDERS])
def test_every_order_of_imports_builds_keras_3_networks(order):
    environment = {k: v for k, v in os.environ.items() if k not in ("TF_USE_LEGACY_KERAS", "SM_FRAMEWORK")}
    code = "\n".join(LINES[name] for name in order.split()) + USE
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
