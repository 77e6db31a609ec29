"""tfmot's schedules, in one process for each order of imports."""

import os
import subprocess
import sys

import pytest

from spine_tf.pruning.schedules import constant_sparsity, due, final_amount, polynomial_decay, schedule_from_config

OURS_FIRST = """
import os
from spine_tf.pruning import GradientSensitivityPruning
from spine_tf.pruning.schedules import polynomial_decay
pruning = GradientSensitivityPruning(schedule=polynomial_decay(0.6, 0, 10))
import keras, tensorflow as tf, tensorflow_model_optimization
assert tf.keras.Model is keras.Model
from spine_tf.models.linknet import load_segmentation_models
load_segmentation_models()
"""

TFMOT_FIRST = """
import os
from tensorflow_model_optimization.sparsity.keras import ConstantSparsity
assert os.environ["TF_USE_LEGACY_KERAS"] == "1"
import keras
from spine_tf.pruning import GradientSensitivityPruning
from spine_tf.pruning.schedules import load_schedules
assert load_schedules()["ConstantSparsity"] is ConstantSparsity
pruning = GradientSensitivityPruning(schedule=ConstantSparsity(0.6, 0))
"""

AFTERWARDS = """
assert isinstance(pruning, keras.callbacks.Callback)
assert keras.__version__.startswith("3.")
assert pruning.amount == 0.6
assert "TF_USE_LEGACY_KERAS" not in os.environ
"""


@pytest.mark.parametrize("order", [OURS_FIRST, TFMOT_FIRST], ids=["ours first", "tfmot first"])
def test_keras_stays_keras_3(order):
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run([sys.executable, "-c", order + AFTERWARDS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_when_a_schedule_asks_for_what():
    schedule = polynomial_decay(0.8, begin_step=10, end_step=25, power=1, frequency=10)
    assert due(schedule, 0) is None
    assert due(schedule, 10) == 0.0
    assert due(schedule, 15) is None
    assert due(schedule, 20) == pytest.approx(0.8 * 10 / 15)
    # Step 25 is not a multiple of the frequency, but the end.
    assert due(schedule, 25) == 0.8
    assert final_amount(schedule) == 0.8
    schedule = constant_sparsity(0.5, begin_step=3, frequency=4)
    assert [due(schedule, step) for step in range(8)] == [None, None, None, 0.5, None, None, None, 0.5]
    assert final_amount(schedule) == 0.5


def test_config_round_trip():
    schedule = polynomial_decay(0.8, 10, 25, initial=0.2, power=2, frequency=5)
    assert schedule_from_config(schedule.get_config()).get_config() == schedule.get_config()
    with pytest.raises(ValueError, match=r"schedule must be one of.*Received: 'Linear'"):
        schedule_from_config({"class_name": "Linear", "config": {}})
