"""Refuses values, in one form for every argument."""


def require(condition: bool, name: str, expected: str, received) -> None:
    """Raise ValueError unless a condition holds.

    Args:
        condition: what must hold.
        name: of the argument.
        expected: what it must be, in words.
        received: the value.

    Example:
        >>> require(3 > 0, "epochs", "positive", 3)
    """
    if not condition:
        raise ValueError(f"{name} must be {expected}. Received: {name}={received!r}")
