"""Reads the command line: `spine-tf NAME ...`, a file a sub-command. `scripts/*.py` call the same."""

from spine_tf.support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__, {"current_flags": "config_flags", "parse_config": "config_flags", "run_command": "command"}
)
