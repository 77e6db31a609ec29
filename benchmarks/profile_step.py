"""Draws where the time of a training step goes, with Keras' defaults and here.

    python benchmarks/profile_step.py --preset small --picture docs/images/profile.png

Left: what comes before the second step, once a run. Right: every step. The parts of a step are differences: a forward
pass, a forward and a backward pass, all of it. A batch of input is made while the network works on the one before.
Each variant is a process of its own.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import tyro
from keras_layers import use_keras_layers

START = time.perf_counter()
ONCE = {"imports": "#999999", "build": "#56B4E9", "trace": "#E69F00", "optimise the graph, first step": "#D55E00"}
EVERY = {"forward": "#0072B2", "backward": "#009E73", "update": "#CC79A7", "input, meanwhile": "#F0E442"}
TITLES = {"keras": "Keras' defaults", "spine_tf": "spine_tf"}


@dataclass(frozen=True)
class Flags:
    preset: Literal["paper", "small", "tiny"] = "small"
    picture: Path = Path("docs/images/profile.png")
    """Gets the seconds too, as JSON beside it."""
    steps: int = 5
    variant: Literal["both", "keras", "spine_tf"] = "both"
    """Anything but both: measure this variant here and print its seconds as JSON."""
    data_root: Path = Path("data")


def measure(flags: Flags) -> dict[str, float]:
    import keras
    import numpy as np
    import tensorflow as tf

    from spine_tf.config import PRESETS, VIEWS
    from spine_tf.models import build_model
    from spine_tf.training.optimizers import FusedAdamax

    marks = [START, time.perf_counter()]
    if flags.variant == "keras":
        use_keras_layers()
    config = PRESETS[flags.preset]
    side, batch = config.preprocess.image_size, config.data.batch_size
    model = build_model(config.model, side)
    optimizer = (keras.optimizers.Adamax if flags.variant == "keras" else FusedAdamax)(1e-3)
    optimizer.build(model.trainable_variables)
    marks.append(time.perf_counter())
    variables = [variable.value for variable in model.trainable_variables]
    loss = keras.losses.BinaryCrossentropy()

    def forward(slices, mask):
        return loss(mask, model(slices, training=True))

    def backward(slices, mask):
        with tf.GradientTape() as tape:
            value = forward(slices, mask)
        return tape.gradient(value, variables)

    def update(slices, mask):
        optimizer.apply(backward(slices, mask), model.trainable_variables)

    rng = np.random.default_rng(0)
    slices = {view: tf.constant(rng.random((batch, side, side, 3), np.float32)) for view in VIEWS}
    mask = tf.zeros((batch, side, side, 3))
    traced = tf.function(update, jit_compile=False).get_concrete_function(slices, mask)
    marks.append(time.perf_counter())
    traced(slices, mask)
    marks.append(time.perf_counter())
    spent = dict(zip(ONCE, np.diff(marks).tolist(), strict=True))
    functions = {"update": traced}
    for name, function in (("backward", backward), ("forward", forward)):
        functions[name] = tf.function(function, jit_compile=False).get_concrete_function(slices, mask)
        functions[name](slices, mask)
    seconds = {name: [] for name in functions}
    for _ in range(flags.steps):
        for name, function in functions.items():
            start = time.perf_counter()
            function(slices, mask)
            seconds[name].append(time.perf_counter() - start)
    whole, both, one = (median(seconds[name]) for name in ("update", "backward", "forward"))
    spent |= {"forward": one, "backward": both - one, "update": whole - both}
    return spent | {"input, meanwhile": input_seconds(config, flags)}


def input_seconds(config, flags: Flags) -> float:
    """Of one batch out of the training pipeline, with the network at rest."""
    from threadpoolctl import threadpool_limits

    from spine_tf.data.cache import cache_case
    from spine_tf.data.default_data import embedded_split
    from spine_tf.data.pipeline import training_dataset

    split, _ = embedded_split(flags.data_root, config.data.hold_out, 4)
    cases = [cache_case(case, flags.data_root / "benchmark-cache", config.preprocess) for case in split.train]
    with threadpool_limits(1, user_api="blas"):
        batches = iter(training_dataset(cases, config.preprocess, config.data, config.augment, seed=0))
        next(batches)
        start = time.perf_counter()
        for _ in range(flags.steps):
            next(batches)
        return (time.perf_counter() - start) / flags.steps


def draw(found: dict[str, dict[str, float]], path: Path) -> None:
    """Bars of both variants, as shares of the longer one."""
    from spine_tf.support.plots import new_figure, save_figure

    figure = new_figure((11, 3), dpi=130, layout="constrained")
    for axes, parts, title in zip(figure.subplots(1, 2), (ONCE, EVERY), ("once a run", "every step"), strict=True):
        longest = max(sum(seconds[part] for part in parts if part != "input, meanwhile") for seconds in found.values())
        for place, seconds in enumerate(found.values()):
            left = 0.0
            for part, colour in parts.items():
                share = max(0.0, seconds[part]) / longest
                beside = part == "input, meanwhile"  # a bar of its own: it takes no time of the step
                label = part if not place else None
                axes.barh(
                    place + 0.36 * beside,
                    share,
                    0.12 if beside else 0.5,
                    0 if beside else left,
                    color=colour,
                    label=label,
                )
                left += 0 if beside else share
        axes.set_yticks(range(len(found)), [TITLES[variant] for variant in found])
        axes.invert_yaxis()
        axes.set_xlabel("of the longer one")
        axes.set_title(title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=2, frameon=False, fontsize=8)
    save_figure(figure, path)


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    if flags.variant != "both":
        print(json.dumps(measure(flags)))
        return
    from spine_tf.support.environment import describe_environment
    from spine_tf.support.files import write_json

    found = {}
    for variant in TITLES:
        environ = dict(os.environ)
        if variant == "keras" and "avx512_vnni" not in Path("/proc/cpuinfo").read_text():
            environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # as TensorFlow has it on such a CPU
        command = [
            sys.executable,
            __file__,
            "--variant",
            variant,
            "--preset",
            flags.preset,
            "--steps",
            str(flags.steps),
        ]
        done = subprocess.run(command, capture_output=True, text=True, env=environ)
        if done.returncode:
            raise SystemExit(done.stderr)
        found[variant] = json.loads(done.stdout.splitlines()[-1])
        print(variant, {part: round(seconds, 2) for part, seconds in found[variant].items()})
    write_json(flags.picture.with_suffix(".json"), {"seconds": found, "environment": describe_environment()})
    draw(found, flags.picture)


if __name__ == "__main__":
    main()
