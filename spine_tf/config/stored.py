"""Turns configs into JSON types and back, whatever version wrote them."""

import dataclasses
import json
from pathlib import Path

from spine_tf.config.checks import require
from spine_tf.config.old_names import current_fields
from spine_tf.config.presets import PRESETS, SECTIONS, Config


def to_dict(config) -> dict:
    """Turn a dataclass into plain JSON types: paths become strings, tuples lists.

    Example:
        >>> to_dict(PreprocessSpec())["window_hu"]
        [-300.0, 1300.0]
    """
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def spec_from_dict(cls, values: dict):
    """Rebuild one section from `to_dict` output, of this version or an older one (`old_names.py`).

    Args:
        cls: the section's dataclass.
        values: field name -> value; what is absent has the dataclass' default.

    Raises:
        ValueError: an unknown field, or a value that the section refuses.

    Example:
        >>> spec_from_dict(PreprocessSpec, {"image_size": 64, "max_steps": 20}).max_positions
        20
    """
    made = current_fields(values)
    known = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(made) - set(known))
    require(not unknown, cls.__name__, f"made of the fields {sorted(known)}", unknown)
    for name, value in made.items():
        if isinstance(value, list):
            made[name] = tuple(value)
        elif "Path" in str(known[name].type) and value is not None:
            made[name] = Path(value)
    return cls(**made)


def differing_fields(one: Config, other: Config) -> list[str]:
    """Name the fields, as "section.field", that differ between two configs; their presets' names do not count.

    Example:
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
    """Rebuild a Config from `to_dict` output or from a part of one; what is absent comes from `base` or the preset.

    Raises:
        ValueError: an unknown preset, section or field, or a value a section refuses.
    """
    preset = values.get("preset", base.preset if base else "paper")
    require(preset in PRESETS, "preset", f"one of {sorted(PRESETS)}", preset)
    unknown = sorted(set(values) - set(SECTIONS) - {"preset"})
    require(not unknown, "config", f"made of preset and the sections {sorted(SECTIONS)}", unknown)
    base = base or PRESETS[preset]
    sections = {
        name: spec_from_dict(cls, to_dict(getattr(base, name)) | current_fields(values.get(name, {})))
        for name, cls in SECTIONS.items()
    }
    return Config(preset, **sections)
