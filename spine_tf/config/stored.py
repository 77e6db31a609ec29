"""Turns configs into JSON types and back, whatever version wrote them."""

import dataclasses
import json
from functools import cache

from spine_tf.config.checks import require
from spine_tf.config.old_names import current_fields
from spine_tf.config.presets import PRESETS, SECTIONS, Config


def to_dict(config) -> dict:
    """Turn a dataclass into plain JSON types: paths become strings, tuples lists.

    Args:
        config: a Config, or one section of it.

    Example:
        >>> from spine_tf.config import PreprocessSpec
        >>> to_dict(PreprocessSpec())["window_hu"]
        [-300.0, 1300.0]
    """
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def dataclass_from_dict(cls, values: dict):
    """Build a dataclass from JSON types, each value of exactly the type that its field declares.

    Lists become tuples, strings paths, whole numbers floats, and objects dataclasses, where a field says so. Nothing
    else is converted: "no", 0 and "3" are not taken for a bool or a number.

    Args:
        cls: the dataclass.
        values: field name -> value.

    Raises:
        ValueError: an unknown or missing field, a value of another type, or one that the dataclass refuses.

    Example:
        >>> from spine_tf.config import PreprocessSpec
        >>> dataclass_from_dict(PreprocessSpec, {"window_hu": [-100, 900]}).window_hu
        (-100.0, 900.0)
        >>> dataclass_from_dict(PreprocessSpec, {"canonical": "no"})
        Traceback (most recent call last):
        ValueError: canonical must be a valid boolean. Received: 'no'
    """
    # Imported here: most processes build their configs from flags.
    from pydantic import ValidationError

    try:
        return _adapter(cls).validate_json(json.dumps(values, default=str), strict=True, extra="forbid")
    except ValidationError as error:
        # Not chained: what pydantic says of it goes over several lines.
        raise ValueError(_in_a_line(error.errors()[0], cls.__name__)) from None


def spec_from_dict(cls, values: dict):
    """Build one section from `to_dict` output, of this version or an older one (`old_names.py`).

    Args:
        cls: the section's dataclass.
        values: field name -> value; what is absent has the dataclass' default.

    Raises:
        ValueError: an unknown field, a value of another type than the field's, or one that the section refuses.

    Example:
        >>> from spine_tf.config import PreprocessSpec
        >>> spec_from_dict(PreprocessSpec, {"image_size": 64, "max_steps": 20}).max_positions
        20
    """
    made = current_fields(_checked(values, cls.__name__))
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(set(made) - known)
    require(not unknown, cls.__name__, f"made of the fields {sorted(known)}", unknown)
    return dataclass_from_dict(cls, made)


def differing_fields(one: Config, other: Config) -> list[str]:
    """Name the fields, as "section.field", that differ between two configs; their presets' names do not count.

    Example:
        >>> from spine_tf.config import with_changes
        >>> differing_fields(PRESETS["tiny"], with_changes(PRESETS["tiny"], train={"epochs": 9}))
        ['train.epochs']
    """
    one, other = to_dict(one), to_dict(other)
    return [
        f"{section}.{name}"
        for section in SECTIONS
        for name in one[section]
        if one[section][name] != other[section][name]
    ]


def config_from_dict(values: dict, base: Config | None = None) -> Config:
    """Build a Config from `to_dict` output or from a part of one; what is absent comes from `base` or the preset.

    Args:
        values: "preset" -> its name, section -> field name -> value.
        base: None: the preset that `values` names, else `paper`.

    Raises:
        ValueError: an unknown preset, section or field, or a value that a section refuses.

    Example:
        >>> config_from_dict({"preset": "tiny", "train": {"epochs": 3}}).train.epochs
        3
    """
    preset = _checked(values, "config").get("preset", base.preset if base else "paper")
    require(isinstance(preset, str) and preset in PRESETS, "preset", f"one of {sorted(PRESETS)}", preset)
    unknown = sorted(set(values) - set(SECTIONS) - {"preset"})
    require(not unknown, "config", f"made of preset and the sections {sorted(SECTIONS)}", unknown)
    base = base or PRESETS[preset]
    sections = {
        name: spec_from_dict(cls, to_dict(getattr(base, name)) | current_fields(_checked(values.get(name, {}), name)))
        for name, cls in SECTIONS.items()
    }
    return Config(preset, **sections)


@cache
def _adapter(cls):
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _in_a_line(error: dict, name: str) -> str:
    """What pydantic found wrong, in our words; `name` is that of the whole."""
    if "error" in error.get("ctx", {}):
        return str(error["ctx"]["error"])
    place, said = ".".join(map(str, error["loc"])) or name, error["msg"]
    if error["type"] == "missing":
        return f"{place} must be given. Received: nothing"
    of = "one of " if error["type"] == "literal_error" else ""
    fits = said.replace("Input should be ", of) if said.startswith("Input should be ") else f"as declared ({said})"
    return f"{place} must be {fits}. Received: {repr(error['input'])[:200]}"


def _checked(values, name: str) -> dict:
    require(isinstance(values, dict), name, "an object of named values", values)
    return values
