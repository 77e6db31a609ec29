"""Times the first training step and a later one, and measures memory: this package against Keras' defaults.

    python benchmarks/first_step.py --preset small --rounds 1

Each variant is a process of its own. Both set out for their first step at once, which is tracing and graph
optimisation, the work of one core each; whoever comes first, mostly this package, has computed on half a machine. The
steps after it are taken in turn, one here and one there. Either way, what else the machine does slows both. Keras'
defaults: keras.optimizers.Adamax, built by `fit`, keras.layers.BatchNormalization, and TensorFlow's own choice of
oneDNN. One default is left out: `jit_compile="auto"`, XLA, whose compilation on a CPU would only flatter us.
"""

import multiprocessing
import os
import time
from dataclasses import dataclass
from math import nan
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
    """Take steps in turn, which needs memory for both at once (25 GiB for paper). Or take ours while Keras is still on
    its way to its first, and none of Keras' after that; there is no throughput then."""
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
    from spine_tf.support.environment import peak_memory_gib
    from spine_tf.training.optimizers import FusedAdamax

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
    """A variant in a process of its own, on its way to its first step."""

    def __init__(self, variant: str, preset: str, steps: int):
        context = multiprocessing.get_context("spawn")
        self.variant, self.steps, (self._here, there) = variant, steps, context.Pipe()
        # A daemon: it ends with this process, should the other variant fail.
        self._process = context.Process(target=train, args=(variant, preset, steps, there), daemon=True)
        usual = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
        if variant == "keras" and "avx512_vnni" not in Path("/proc/cpuinfo").read_text():
            os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # as TensorFlow has it on such a CPU
        self._process.start()
        os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
        if usual is not None:
            os.environ["TF_ENABLE_ONEDNN_OPTS"] = usual
        there.close()
        self.seconds: list[float] = []

    def first_step(self) -> None:
        self.seconds.append(self._hear())

    def step(self) -> None:
        self._here.send("go on")
        self.seconds.append(self._hear())

    def end(self) -> dict[str, float]:
        found = {"first": self.seconds[0], "step": median(self.seconds[1:] or [nan]), "peak_gib": self._hear()}
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
    variants = ("spine_tf", "keras") if flags.variant == "both" else (flags.variant,)
    found = {variant: [] for variant in variants}
    steps = dict.fromkeys(variants, flags.steps)
    if flags.variant == "both" and not flags.in_turn:
        steps["keras"] = 0
    for _ in range(flags.rounds):
        runs = [Run(variant, flags.preset, steps[variant]) for variant in variants]
        for together in (runs,) if flags.in_turn else ([run] for run in runs):
            for run in together:
                run.first_step()
            for _ in range(together[0].steps):
                for run in together:
                    run.step()
            for run in together:
                found[run.variant].append(run.end())
    if flags.variant == "both":
        finish(rows(flags, found), flags.output)


def rows(flags: Flags, found: dict[str, list[dict[str, float]]]) -> list[dict]:
    def ratio(name: str) -> float:
        return median(a[name] / b[name] for a, b in zip(found["spine_tf"], found["keras"], strict=True))

    preset, rounds = flags.preset, f"{flags.rounds} round{'s' if flags.rounds > 1 else ''}"
    at_once = f"{rounds}, both at once"
    peaks = {variant: max(one["peak_gib"] for one in runs) for variant, runs in found.items()}
    beside, aim = f"Keras' defaults: {peaks['keras']:.1f}", MEMORY_AIM_GIB.get(preset)
    made = [
        row(f"{preset}: time to first step, of Keras'", ratio("first"), at_most=FIRST_STEP_AIM[preset], note=at_once)
    ]
    if flags.in_turn:
        name, note = f"{preset}: throughput, of Keras'", f"{rounds}, {flags.steps} steps in turn"
        made.append(row(name, 1 / ratio("step"), at_least=THROUGHPUT_AIM.get(preset), note=note))
    return [*made, row(f"{preset}: peak GiB in training", peaks["spine_tf"], at_most=aim, note=beside)]


if __name__ == "__main__":
    main()
