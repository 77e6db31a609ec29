"""Reads the command line: `spine-tf NAME ...`, a file a sub-command. `scripts/*.py` call the same."""

from spine_tf.support.lazy_imports import lazy_names

_MODULES = {"current_flags": "config_flags", "parse_config": "config_flags", "run_command": "main"}

__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
