"""Time to the first finished training step, time of a step after it, and memory: this package against Keras' defaults.

    python benchmarks/first_step.py --preset small --rounds 1

Each variant runs in processes of its own, in turn with the other, so that whatever else the machine does slows both.
Keras' defaults: keras.optimizers.Adamax, built by `fit`, keras.layers.BatchNormalization, and TensorFlow's own choice
of oneDNN. One default is left out: `jit_compile="auto"`, XLA, whose compilation on a CPU would only flatter us.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from keras_layers import use_keras_layers
from rows import finish, row

START = time.perf_counter()


@dataclass(frozen=True)
class Flags:
    preset: Literal["paper", "small", "tiny"] = "small"
    rounds: int = 1
    """Runs of each variant."""
    steps: int = 5
    """Steps after the first that the median is taken of."""
    variant: Literal["both", "keras", "spine_tf", "accumulated"] = "both"
    """Anything but both: run this variant here and print its figures as JSON. `accumulated`: batches in two halves."""
    output: Path | None = None
    """JSON file for the rows."""


FIRST_STEP_AIM = {"paper": 0.3, "small": 0.4, "tiny": 0.4}
THROUGHPUT_AIM = {"small": 1.3}
MEMORY_AIM_GIB = {"paper": 10.0}
"""By preset, where there is an aim."""


def measure(flags: Flags) -> dict[str, float]:
    import keras
    import numpy as np
    import tensorflow as tf

    from spine_tf.config import PRESETS, VIEWS
    from spine_tf.models import build_model
    from spine_tf.optimizers import FusedAdamax
    from spine_tf.report import peak_memory_gib

    keras_defaults = flags.variant == "keras"
    if keras_defaults:
        use_keras_layers()
    config = PRESETS[flags.preset]
    side, batch = config.preprocess.image_size, config.data.batch_size
    model = build_model(config.model, side)
    parts = 2 if flags.variant == "accumulated" else 1
    batch //= parts
    optimizer = keras.optimizers.Adamax(1e-3)
    if not keras_defaults:
        optimizer = FusedAdamax(1e-3, gradient_accumulation_steps=parts if parts > 1 else None)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", jit_compile=False)
    if not keras_defaults:
        optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    slices = {view: rng.random((batch, side, side, 3), dtype="float32") for view in VIEWS}
    data = tf.data.Dataset.from_tensors((slices, np.zeros((batch, side, side, 3), "float32"))).repeat()
    ends = []
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    model.fit(data, steps_per_epoch=parts * (1 + flags.steps), callbacks=[note], shuffle=False, verbose=0)
    return {
        "first": ends[0] - START,
        "step": statistics.median(np.diff(ends)),
        "cpu": time.process_time(),
        "peak_gib": peak_memory_gib(),
    }


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    if flags.variant != "both":
        print(json.dumps(measure(flags)))
        return
    found = {"keras": [], "spine_tf": []}
    for _ in range(flags.rounds):
        for variant, runs in found.items():
            runs.append(run(variant, flags))
            print(f"{variant:9}", "  ".join(f"{name} {value:.2f}" for name, value in runs[-1].items()), flush=True)

    def ratio(name: str) -> float:
        return statistics.median(a[name] / b[name] for a, b in zip(found["spine_tf"], found["keras"], strict=True))

    preset, rounds = flags.preset, f"{flags.rounds} round{'s' if flags.rounds > 1 else ''}"
    peaks = {variant: max(one["peak_gib"] for one in runs) for variant, runs in found.items()}
    beside, aim = f"Keras' defaults: {peaks['keras']:.1f}", MEMORY_AIM_GIB.get(preset)
    rows = [
        row(f"{preset}: time to first step, of Keras'", ratio("first"), at_most=FIRST_STEP_AIM[preset], note=rounds),
        row(f"{preset}: throughput, of Keras'", 1 / ratio("step"), at_least=THROUGHPUT_AIM.get(preset), note=rounds),
        row(f"{preset}: peak GiB in training", peaks["spine_tf"], at_most=aim, note=beside),
    ]
    finish(rows, flags.output)


def run(variant: str, flags: Flags) -> dict[str, float]:
    """`measure` in a process of its own, with its peak memory."""
    environment = dict(os.environ)
    if variant == "keras" and "avx512_vnni" not in Path("/proc/cpuinfo").read_text():
        environment["TF_ENABLE_ONEDNN_OPTS"] = "0"  # as TensorFlow has it on such a CPU
    command = [sys.executable, __file__, "--variant", variant, "--preset", flags.preset, "--steps", str(flags.steps)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
