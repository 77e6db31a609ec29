"""Holds what every package may use: errors, files, devices, versions, downloads. It knows no other package."""

from spine_tf.support.environment import describe_environment
from spine_tf.support.errors import SpineError
from spine_tf.support.files import whole_file, write_json
from spine_tf.support.json_reading import read_json
from spine_tf.support.progress import quieted, say
from spine_tf.support.tables import Table, markdown_table

__all__ = [
    "SpineError",
    "Table",
    "describe_environment",
    "markdown_table",
    "quieted",
    "read_json",
    "say",
    "whole_file",
    "write_json",
]
