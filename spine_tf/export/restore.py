"""Restores a published model to the folder of a trained run, to prune it, train it further or evaluate it."""

from pathlib import Path

from spine_tf.config import Config, to_dict
from spine_tf.data.splits import write_split
from spine_tf.inference.engines.keras_model import load_model
from spine_tf.inference.engines.load import read_metadata
from spine_tf.inference.engines.manifest import checked_model
from spine_tf.inference.engines.model_files import METADATA, PUBLISHED_NETWORK
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json
from spine_tf.training.checkpoint import save_model
from spine_tf.training.run import start_folder
from spine_tf.training.run_data import find_split
from spine_tf.training.run_folder import RunFolder


def restore_run(published: Path, config: Config, folder: Path, data_root: Path) -> None:
    """Make the folder that training by a config would have left, as far as pruning and evaluating need it.

    There is no checkpoint and no history: weights are the published ones, which were rounded to float16.

    Args:
        published: folder of `publish.publish_run`.
        config: which the model was trained by.
        folder: a new run's.
        data_root: where sample CTs are kept.

    Raises:
        ModelError: no such model, or another content than its manifest says.
        RunError: the folder holds a run, or the model was trained by another config.
    """
    with checked_model(Path(published) / PUBLISHED_NETWORK) as network:
        metadata = read_metadata(network.with_name(METADATA))
        model = load_model(network)
    wanted = {"preprocess": to_dict(config.preprocess), "model": to_dict(config.model)}
    changed = [
        f"{section}.{name}"
        for section, values in wanted.items()
        for name, value in values.items()
        # The threshold is chosen after training.
        if name != "threshold" and metadata[section].get(name, value) != value
    ]
    if changed:
        raise RunError(f"{str(published)!r} must have been trained by this recipe. Received: other {changed}")
    split, _ = find_split(config, data_root)
    start_folder(folder, config, resume=False)
    run = RunFolder(folder)
    write_split(run.split, split)
    write_json(run.pretrained, metadata["pretrained"])
    write_json(run.metadata, metadata)
    save_model(model, run.network)
