"""Finds the model that comes with the package, in a checkout, an editable install and a wheel alike."""

from importlib import resources
from pathlib import Path

NAME = "spine-small"


def shipped_folder(package: Path) -> Path:
    """Give the folder of the shipped models: inside the package as a wheel has it, else beside it as a checkout has it.

    Args:
        package: the folder `spine_tf`.
    """
    inside, beside = package / "saved_models", package.parent / "saved_models"
    return inside if (inside / NAME).is_dir() else beside


SHIPPED = shipped_folder(Path(str(resources.files("spine_tf")))) / NAME
"""The shipped model: a folder that `load_engine` takes."""
