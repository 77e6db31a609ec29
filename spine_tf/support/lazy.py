"""Imports a package's public names when they are first used, so that importing the package costs nothing."""

import importlib
import sys
from collections.abc import Callable

from spine_tf.support.device import quiet_loading


def lazy_names(package: str, places: dict[str, str]) -> tuple[Callable, Callable, list[str]]:
    """Make what a package's `__init__` needs for names that are imported when first used (PEP 562).

    Args:
        package: `__name__` of the package.
        places: public name -> the module that defines it, below the package, or `module:name` where it has another name
            there.

    Returns:
        `__getattr__`, `__dir__` and `__all__` of the package.

    Example:
        >>> getattribute, _, names = lazy_names("spine_tf", {"dice": "scoring"})
        >>> names, getattribute("dice").__name__
        (['dice'], 'dice')
    """

    def getattribute(name: str):
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = places[name].partition(":")
        with quiet_loading():
            value = getattr(importlib.import_module(f"{package}.{module}"), attribute or name)
        setattr(sys.modules[package], name, value)
        return value

    def directory() -> list[str]:
        return sorted({*vars(sys.modules[package]), *places})

    return getattribute, directory, list(places)
