"""Lets a package name what it offers without importing it, as TensorFlow takes seconds to load."""

import importlib
import sys
from collections.abc import Callable, Mapping


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Make the `__getattr__` of a package whose names are imported when they are first used (PEP 562).

    Args:
        package: its `__name__`.
        modules: public name -> the module, below the package, that defines it.

    Example:
        >>> find = lazy_names("spine_tf", {"dice": "scoring"})
        >>> find("dice").__module__
        'spine_tf.scoring.overlap'
    """

    def find(name: str):
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
