"""Names the fields that older versions wrote otherwise, so that what they stored goes on loading."""

from spine_tf.config.checks import require

RENAMED = {"max_steps": "max_positions", "window_cases": "cases_open"}
"""Old field name, which is also an old flag -> today's."""

REPLACED = {"mixed_precision": ("precision", {True: "mixed_float16", False: "float32"})}
"""Old switch, which is also an old flag -> today's field, and the value there of each of the old ones."""

DROPPED = {"data_service": None}
"""Field that is gone -> the default it had, which still loads; every other value is refused."""


def current_fields(values: dict) -> dict:
    """Give stored fields the names they have today.

    Args:
        values: field name -> value, as any version wrote them.

    Returns:
        Today's field name -> value.

    Raises:
        ValueError: a dropped field has another value than its default, or a field is given by both its names, or a
            replaced one has another type.

    Example:
        >>> current_fields({"window_cases": 4, "data_service": None, "mixed_precision": True})
        {'cases_open': 4, 'precision': 'mixed_float16'}
    """
    made = {}
    for name, value in values.items():
        if name in DROPPED:
            require(value == DROPPED[name], name, f"{DROPPED[name]!r}: the option is gone", value)
            continue
        today = RENAMED.get(name, name)
        if name in REPLACED:
            today, meanings = REPLACED[name]
            require(isinstance(value, bool), name, f"a valid boolean, or {today} in its place", value)
            value = meanings[value]
        require(today not in made, today, f"given once, not as {name} too", value)
        made[today] = value
    return made
