"""Parses JSON that others wrote, such as a server's answer, where anything may come."""

import json
import math


def parse_object(content: str | bytes, *, finite: bool = True) -> dict:
    """Parse the text of a JSON object.

    Args:
        content: text, or bytes in UTF-8, UTF-16 or UTF-32.
        finite: refuse NaN and infinite numbers, which are no JSON; False: take them, as TF Serving writes them.

    Raises:
        ValueError: no JSON, no object, nested too deeply, or a number that is not finite. The message is the reason,
            for a caller who knows where the text came from.

    Example:
        >>> parse_object('{"a": [1, 2]}')
        {'a': [1, 2]}
        >>> parse_object('{"a": NaN}')
        Traceback (most recent call last):
        ValueError: the number NaN
    """
    numbers = {"parse_constant": _refuse_number, "parse_float": _finite_float} if finite else {}
    try:
        values = json.loads(content, **numbers)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError(f"no JSON object but {str(values)[:80]!r}")
    return values


def _finite_float(text: str) -> float:
    """Read a number with a fraction or an exponent; 1e999 would become infinity."""
    return float(text) if math.isfinite(float(text)) else _refuse_number(text)


def _refuse_number(text: str):
    raise ValueError(f"the number {text}")
