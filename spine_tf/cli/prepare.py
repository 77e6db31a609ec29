"""Decode a VerSe root once into TFRecord shards with checksums, to train from. Started again, it goes on."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spine_tf.cli.common import DONE, FAILED, CommonFlags
from spine_tf.config import PreprocessSpec


@dataclass(frozen=True)
class Flags(CommonFlags):
    data: Path
    """A VerSe root, as unzipped."""
    to: Path
    """Folder of the shards; train.py --shards takes it."""
    shards_mb: float = 512
    """About the size of a shard, in 10^6 bytes: a voxel has 3, counted before the crop to the body."""
    workers: int = 1
    """Processes; each needs about 0.5 GB and four times its largest case."""
    window_hu: tuple[float, float] = PreprocessSpec.window_hu
    """This and what follows is as train.py has it, and must be the same there."""
    normalise: Literal["window", "scan"] = PreprocessSpec.normalise
    canonical: bool = PreprocessSpec.canonical
    body_box: bool = PreprocessSpec.body_box


def run(flags: Flags) -> int:
    from spine_tf.data.shards_write import prepare_shards
    from spine_tf.data.verse import find_cases

    applied = {name: getattr(flags, name) for name in ("window_hu", "normalise", "canonical", "body_box")}
    spec = PreprocessSpec(**applied)
    index = prepare_shards(find_cases(flags.data), flags.to, spec, flags.shards_mb, flags.workers)
    print(f"{len(index['cases'])} cases in {len({entry['shard'] for entry in index['cases']})} shards in {flags.to}")
    if index["without_mask"]:
        print(f"without a mask, left out: {', '.join(index['without_mask'])}")
    for case, why in index["failed"].items():
        print(f"not read: {case}: {why}", file=sys.stderr)
    return FAILED if index["failed"] else DONE
