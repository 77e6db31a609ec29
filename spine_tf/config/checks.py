"""Refuses values, in one form for every argument."""

import dataclasses
import math


def require(condition: bool, name: str, expected: str, received) -> None:
    """Raise ValueError unless a condition holds.

    Args:
        condition: what must hold.
        name: of the argument.
        expected: what it must be, in words.
        received: the value.

    Raises:
        ValueError: the condition does not hold.

    Example:
        >>> require(0 > 0, "epochs", "positive", 0)
        Traceback (most recent call last):
        ValueError: epochs must be positive. Received: epochs=0
    """
    if not condition:
        raise ValueError(f"{name} must be {expected}. Received: {name}={received!r}")


def require_finite(config) -> None:
    """Raise ValueError if a field of a dataclass, or an entry of a tuple in one, is infinite or NaN.

    Flags and JSON files can say both, and comparisons let many of them pass.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        numbers = [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, float)]
        require(all(map(math.isfinite, numbers)), field.name, "finite", value)
