"""Reads the command line: `spine-tf NAME ...`, a file a sub-command; `scripts/` are doors to the same."""
