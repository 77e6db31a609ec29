"""Time to the first finished training step, time of a step after it, and memory: this package against Keras' defaults.

    python benchmarks/first_step.py --preset small --rounds 1

Each variant is a process of its own. One after the other they come to their first step; the steps after it are taken in
turn, one here and one there, so that whatever else the machine does slows both. Keras' defaults:
keras.optimizers.Adamax, built by `fit`, keras.layers.BatchNormalization, and TensorFlow's own choice of oneDNN. One
default is left out: `jit_compile="auto"`, XLA, whose compilation on a CPU would only flatter us.
"""

import multiprocessing
import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
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
    steps: int = 10
    """Steps after the first that the median is taken of."""
    in_turn: bool = True
    """Take the steps in turn, which needs memory for both at once (25 GiB for paper); or end one variant first."""
    variant: Literal["both", "keras", "spine_tf", "accumulated"] = "both"
    """Anything but both: print this variant's figures alone. `accumulated`: batches in two halves."""
    output: Path | None = None
    """JSON file for the rows."""


FIRST_STEP_AIM = {"paper": 0.3, "small": 0.4, "tiny": 0.4}
THROUGHPUT_AIM = {"small": 1.3}
MEMORY_AIM_GIB = {"paper": 10.0}
"""By preset, where there is an aim."""


def train(variant: str, preset: str, steps: int, parent) -> None:
    """Send the seconds to the end of the first step; then those of a step for each message; at last the peak GiB."""
    import keras
    import numpy as np
    import tensorflow as tf

    from spine_tf.config import PRESETS, VIEWS
    from spine_tf.models import build_model
    from spine_tf.optimizers import FusedAdamax
    from spine_tf.report import peak_memory_gib

    if variant == "keras":
        use_keras_layers()
    config = PRESETS[preset]
    parts = 2 if variant == "accumulated" else 1
    side, batch_size = config.preprocess.image_size, config.data.batch_size // parts
    model = build_model(config.model, side)
    optimizer = keras.optimizers.Adamax(1e-3)
    if variant != "keras":
        optimizer = FusedAdamax(1e-3, gradient_accumulation_steps=parts if parts > 1 else None)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", jit_compile=False)
    if variant != "keras":
        optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    slices = {view: rng.random((batch_size, side, side, 3), dtype="float32") for view in VIEWS}
    data = tf.data.Dataset.from_tensors((slices, np.zeros((batch_size, side, side, 3), "float32"))).repeat()
    begun = [START]

    def begin(batch, logs=None):
        if batch and batch % parts == 0:
            parent.recv()
            begun.append(time.perf_counter())

    def end(batch, logs=None):
        if batch % parts == parts - 1:
            parent.send(time.perf_counter() - begun[-1])

    pace = keras.callbacks.LambdaCallback(on_train_batch_begin=begin, on_train_batch_end=end)
    model.fit(data, steps_per_epoch=parts * (1 + steps), callbacks=[pace], shuffle=False, verbose=0)
    parent.send(peak_memory_gib())


class Run:
    """A variant in a process of its own, after its first step."""

    def __init__(self, variant: str, flags: Flags):
        context = multiprocessing.get_context("spawn")
        self.variant, (self._here, there) = variant, context.Pipe()
        self._process = context.Process(target=train, args=(variant, flags.preset, flags.steps, there))
        usual = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
        if variant == "keras" and "avx512_vnni" not in Path("/proc/cpuinfo").read_text():
            os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # as TensorFlow has it on such a CPU
        self._process.start()
        os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
        if usual is not None:
            os.environ["TF_ENABLE_ONEDNN_OPTS"] = usual
        there.close()
        self.first, self.steps = self._hear(), []

    def step(self) -> None:
        self._here.send("go on")
        self.steps.append(self._hear())

    def end(self) -> dict[str, float]:
        found = {"first": self.first, "step": median(self.steps), "peak_gib": self._hear()}
        self._process.join()
        print(f"{self.variant:9}", "  ".join(f"{name} {value:.2f}" for name, value in found.items()), flush=True)
        return found

    def _hear(self) -> float:
        try:
            return self._here.recv()
        except EOFError:
            raise SystemExit(f"error: {self.variant} ended before it was done") from None


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    variants = ("keras", "spine_tf") if flags.variant == "both" else (flags.variant,)
    found = {variant: [] for variant in variants}
    for _ in range(flags.rounds):
        for together in (variants,) if flags.in_turn else ((variant,) for variant in variants):
            runs = [Run(variant, flags) for variant in together]
            for _ in range(flags.steps):
                for run in runs:
                    run.step()
            for run in runs:
                found[run.variant].append(run.end())
    if flags.variant == "both":
        finish(rows(flags, found), flags.output)


def rows(flags: Flags, found: dict[str, list[dict[str, float]]]) -> list[dict]:
    def ratio(name: str) -> float:
        return median(a[name] / b[name] for a, b in zip(found["spine_tf"], found["keras"], strict=True))

    preset, rounds = flags.preset, f"{flags.rounds} round{'s' if flags.rounds > 1 else ''}"
    steps = f"{rounds}, {flags.steps} step{'s' if flags.steps > 1 else ''}" + (" in turn" if flags.in_turn else "")
    peaks = {variant: max(one["peak_gib"] for one in runs) for variant, runs in found.items()}
    beside, aim = f"Keras' defaults: {peaks['keras']:.1f}", MEMORY_AIM_GIB.get(preset)
    return [
        row(f"{preset}: time to first step, of Keras'", ratio("first"), at_most=FIRST_STEP_AIM[preset], note=rounds),
        row(f"{preset}: throughput, of Keras'", 1 / ratio("step"), at_least=THROUGHPUT_AIM.get(preset), note=steps),
        row(f"{preset}: peak GiB in training", peaks["spine_tf"], at_most=aim, note=beside),
    ]


if __name__ == "__main__":
    main()
