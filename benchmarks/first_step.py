"""Time to the first finished training step, and time of a step after it: this package against Keras' defaults.

    python benchmarks/first_step.py --preset small --rounds 1

Each variant runs in processes of its own, in turn with the other, so that whatever else the machine does slows both.
Keras' defaults: keras.optimizers.Adamax, built by `fit`, and keras.layers.BatchNormalization.
"""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Literal

import tyro

START = time.perf_counter()


@dataclass(frozen=True)
class Flags:
    preset: Literal["small", "tiny"] = "small"
    rounds: int = 1
    """Runs of each variant."""
    steps: int = 5
    """Steps after the first that the median is taken of."""
    variant: Literal["both", "keras", "spine_tf"] = "both"
    """Anything but both: run this variant here and print its figures as JSON."""


def measure(flags: Flags) -> dict[str, float]:
    import keras
    import numpy as np
    import tensorflow as tf

    from spine_tf.config import PRESETS, VIEWS
    from spine_tf.models import build_model, encoders, linknet
    from spine_tf.optimizers import FusedAdamax

    keras_defaults = flags.variant == "keras"
    if keras_defaults:
        encoders.FusedBatchNormalization = linknet.FusedBatchNormalization = keras.layers.BatchNormalization
    config = PRESETS[flags.preset]
    side, batch = config.preprocess.image_size, config.data.batch_size
    model = build_model(config.model, side)
    optimizer = keras.optimizers.Adamax(1e-3) if keras_defaults else FusedAdamax(1e-3)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", jit_compile=False)
    if not keras_defaults:
        optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    slices = {view: rng.random((batch, side, side, 3), dtype="float32") for view in VIEWS}
    data = tf.data.Dataset.from_tensors((slices, np.zeros((batch, side, side, 3), "float32"))).repeat()
    ends = []
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    model.fit(data, steps_per_epoch=1 + flags.steps, callbacks=[note], shuffle=False, verbose=0)
    return {"first": ends[0] - START, "step": statistics.median(np.diff(ends)), "cpu": time.process_time()}


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    if flags.variant != "both":
        print(json.dumps(measure(flags)))
        return
    found = {"keras": [], "spine_tf": []}
    for _ in range(flags.rounds):
        for variant, runs in found.items():
            command = [sys.executable, __file__, "--variant", variant]
            command += ["--preset", flags.preset, "--steps", str(flags.steps)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{variant:9}", "  ".join(f"{name} {value:.2f} s" for name, value in runs[-1].items()), flush=True)
    for name in ("first", "step"):
        ours, theirs = (statistics.median(run[name] for run in found[v]) for v in ("spine_tf", "keras"))
        print(f"{name}: spine_tf / keras = {ours:.2f} / {theirs:.2f} s = {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
