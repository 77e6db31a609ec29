"""Prunes a run: from the folder of a trained run to one of the same form with a smaller network, fine-tuned.

The folder can be resumed, evaluated, predicted with and pruned again like any run's. It holds three things more:
prune.json (the settings), untuned/ (the pruned network before fine-tuning, with pruning.json: what was removed), and,
from `prune_verdict`, verdict.md.

Source: paper, "A gradient sensitivity based network pruning", Steps 2 to 5.
"""

import itertools
import shutil
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from spine_tf.config import Config, PruneSettings, to_dict
from spine_tf.data.splits import read_split, write_split
from spine_tf.inference.engines.keras_model import load_model
from spine_tf.pruning import remove_filters
from spine_tf.pruning.kept_filters import layer_rows
from spine_tf.pruning.zeroing import zero_filters
from spine_tf.support.files import write_bytes, write_json
from spine_tf.training.checkpoint_files import save_model
from spine_tf.training.cluster import read_cluster, share_of
from spine_tf.training.fit import fit_model, prepare_process
from spine_tf.training.losses import get_loss
from spine_tf.training.penalty import Penalty, penalise
from spine_tf.training.prune_settings import check_resumed, source_config, tuning_config, write_settings
from spine_tf.training.run import finish_run
from spine_tf.training.run_data import training_data
from spine_tf.training.run_folder import RunFolder
from spine_tf.training.run_start import start_folder

MOST_DIFFERENT = {"float32": 1e-5, "mixed_float16": 1e-2, "mixed_bfloat16": 1e-1}
"""Largest difference between the outputs of the smaller and the zeroed network, by `TrainConfig.precision`; bfloat16
has three bits less than float16, which are a factor of 8."""


def run_pruning(
    settings: PruneSettings,
    folder: Path,
    data_root: Path,
    *,
    resume: bool = False,
    max_minutes: float | None = None,
) -> dict:
    """Prune the network of a run and fine-tune it on the same split, or, as a control, only train it further.

    Args:
        folder: the new run's own.
        data_root: where the embedded default keeps phantoms and sample CTs.
        resume: go on from the last checkpoint in `folder`.
        max_minutes: end fine-tuning with the epoch in which this runs out.

    Returns:
        what `report.json` holds.

    Raises:
        RunError: the source is no trained run, or the folder is another run's.
        ValueError: TF_CONFIG names several workers.
        ArithmeticError: the smaller network does not give the zeroed one's outputs.
    """
    if (cluster := read_cluster()) is not None:
        found = len(cluster.addresses)
        raise ValueError(f"TF_CONFIG must name one worker at most: pruning runs on one machine. Received: {found}")
    run, source, start = RunFolder(folder), RunFolder(settings.source), time.monotonic()
    before = source_config(source.path)
    config = tuning_config(before, settings)
    if resume:
        check_resumed(folder, settings)
    start_folder(folder, config, resume)
    write_settings(folder, settings)
    split = read_split(source.split)
    write_split(run.split, split)
    if source.pretrained.exists():
        shutil.copyfile(source.pretrained, run.pretrained)
    strategy = prepare_process(config.train)
    untuned, record = run.untuned, {}
    share = share_of(strategy, config.data.batch_size)
    with training_data(config, folder, data_root, split, share) as data:
        if not settings.control:
            if not untuned.removed.exists():
                # Whole ones, where each of several devices is given its part.
                whole = data.dataset(0).rebatch(config.data.batch_size)
                batches = list(itertools.islice(whole, settings.calibration_batches))
                prune_source(before, settings, batches, untuned.path)
            record = untuned.read_removed()
        history, training = fit_model(
            build=partial(load_network, source.path if settings.control else untuned.path),
            dataset=data.dataset,
            steps=data.steps,
            validation=data.validation,
            train=config.train,
            folder=folder,
            strategy=strategy,
            max_minutes=max_minutes,
            penalty=Penalty(settings.penalty, settings.penalty_weight) if settings.penalty_weight else None,
        )
    about = {name: record[name] for name in ("criterion", "amount", "filters", "kept") if record}
    facts = {"training": training, "prune": to_dict(settings), "pruned": about}
    return finish_run(config, folder, split, data, history, facts, start, {"pruned": about})


def load_network(folder: Path):
    """Load the network of a run's folder, uncompiled and without penalties."""
    model = load_model(RunFolder(folder).network)
    penalise(model, None)
    return model


def zeroed_network(source: Path, loss: str, settings: PruneSettings, calibration: Iterable):
    """Load the network of a run, set its lowest filters to zero, and tell what `pruning.zeroing.zero_filters` does.

    Args:
        loss: `TrainConfig.loss` of the run; filters are scored by it.
        settings: amount, criterion, scope, multiple_of and seed are used.
        calibration: batches as `fit` takes them.
    """
    model = load_network(source)
    model.compile(loss=get_loss(loss), jit_compile=False)
    pruned = zero_filters(
        model,
        settings.amount,
        calibration,
        settings.criterion,
        settings.scope,
        multiple_of=settings.multiple_of,
        seed=settings.seed,
    )
    return model, pruned


def prune_source(before: Config, settings: PruneSettings, batches: list, target: Path) -> dict:
    """Score, zero and remove filters of the source's network; write the smaller one with metadata to `target`.

    Args:
        before: the source's config.
        batches: of training triplets; the first triplet also compares the two networks.

    Returns:
        what pruning.json holds, which is written last.

    Raises:
        ArithmeticError: the smaller network does not give the zeroed one's outputs.
    """
    start = time.monotonic()
    model, pruned = zeroed_network(settings.source, before.train.loss, settings, batches)
    smaller = remove_filters(model, pruned.groups)
    triplet = {name: view[:1] for name, view in batches[0][0].items()}
    whole, small = (np.asarray(network(triplet, training=False)) for network in (model, smaller))
    difference = float(np.abs(whole - small).max())
    allowed = MOST_DIFFERENT[before.train.precision]
    if not difference <= allowed:
        raise ArithmeticError(
            f"the smaller network must give the zeroed one's outputs within {allowed:g}. Received: {difference:g}"
        )
    target = RunFolder(target)
    save_model(smaller, target.network)
    write_bytes(target.metadata, RunFolder(settings.source).metadata.read_bytes())
    counts = pruned.counts
    record = {
        "criterion": settings.criterion,
        "amount_asked": settings.amount,
        "amount": round(pruned.amount, 4),
        "filters": sum(count.filters for count in counts),
        "prunable": sum(count.prunable for count in counts),
        "kept": sum(count.kept for count in counts),
        "calibration_triplets": sum(len(batch[1]) for batch in batches),
        "difference": difference,
        "seconds": round(time.monotonic() - start, 1),
        "whole": pruned.structure.whole,
        "layers": layer_rows(counts),
    }
    write_json(target.removed, record)
    return record
