"""Makes the schedules of tensorflow_model_optimization (tfmot), which only this module imports.

A schedule is called with a step of training and returns whether to prune then, and the amount.
"""

import os

import tensorflow as tf


def load_schedules() -> dict[str, type]:
    """Import tfmot's schedules by class name, `ConstantSparsity` and `PolynomialDecay`, and keep Keras 3.

    On import tfmot sets TF_USE_LEGACY_KERAS=1 for this process and its children. `tf.keras` decides what it is when it
    is first used, so it is used before the import. The variable is cleared after it, before a worker can inherit it.
    """
    tf.keras.Model  # noqa: B018
    try:
        from tensorflow_model_optimization.sparsity import keras as sparsity
    finally:
        os.environ.pop("TF_USE_LEGACY_KERAS", None)
    return {"ConstantSparsity": sparsity.ConstantSparsity, "PolynomialDecay": sparsity.PolynomialDecay}


def constant_sparsity(amount: float, begin_step: int, frequency: int = 100):
    """Make tfmot's ConstantSparsity: `amount` of the filters every `frequency` steps from `begin_step` on.

    Args:
        amount: share of the prunable filters, in [0, 1).
        begin_step: first step that prunes.
        frequency: steps between two prunings.

    Example:
        >>> schedule = constant_sparsity(0.5, begin_step=10, frequency=5)
        >>> [due(schedule, step) for step in (9, 10, 12, 15)]
        [None, 0.5, None, 0.5]
    """
    return load_schedules()["ConstantSparsity"](amount, begin_step, frequency=frequency)


def polynomial_decay(
    amount: float, begin_step: int, end_step: int, initial: float = 0.0, power: int = 3, frequency: int = 100
):
    """Make tfmot's PolynomialDecay: from `initial` to `amount` of the filters, every `frequency` steps.

    Source: Zhu and Gupta, "To prune, or not to prune", 2017, equation 1.

    Args:
        amount: share of the prunable filters at the end, in [0, 1).
        begin_step: first step that prunes.
        end_step: step at which `amount` is reached.
        initial: share at `begin_step`.
        power: exponent of the polynomial; 1 is a straight line.
        frequency: steps between two prunings.

    Example:
        >>> schedule = polynomial_decay(0.8, begin_step=0, end_step=40, power=1, frequency=10)
        >>> [due(schedule, step) for step in (0, 10, 15, 20, 40)]
        [0.0, 0.2, None, 0.4, 0.8]
    """
    return load_schedules()["PolynomialDecay"](initial, amount, begin_step, end_step, power, frequency)


def schedule_from_config(config: dict):
    """Make a schedule again from its `get_config()`.

    Args:
        config: dict with the `class_name` of a tfmot schedule and its `config`.

    Raises:
        ValueError: a schedule that tfmot does not have.
    """
    schedules = load_schedules()
    if config["class_name"] not in schedules:
        raise ValueError(f"schedule must be one of {sorted(schedules)}. Received: {config['class_name']!r}")
    return schedules[config["class_name"]](**config["config"])


def final_amount(schedule) -> float | None:
    """Give the amount that a schedule ends at; None for one of another class that does not say."""
    return getattr(schedule, "final_sparsity", getattr(schedule, "target_sparsity", None))


def due(schedule, step: int) -> float | None:
    """Give the amount that a schedule asks for at this step, None where it asks for nothing.

    From its last step on the final amount is due, also where `frequency` does not hit that step.
    """
    now, amount = schedule(step)
    over = 0 <= getattr(schedule, "end_step", -1) <= step
    # Float32 noise is no new amount.
    return round(float(amount), 6) if bool(now) or over else None
