"""Fixtures for all tests: small made scans, and the folder of real CT that is not part of the repository.

And how tests are shared out among processes: a file to one of them, and all notebooks, which share a run, to one.
"""

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from xdist.scheduler import LoadFileScheduling

from spine_tf.data.cache import CachedCase
from spine_tf.data.cases import Case

# Ray's workers give way to everything else: beside tests that keep all cores busy they would hardly run.
os.environ.setdefault("RAY_worker_niceness", "0")


class Files(LoadFileScheduling):
    """`--dist loadfile`, with the notebooks as if they were one file."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "notebooks" if file.endswith(".ipynb") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return Files(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real CT that may be used but not committed; tests that need it skip where it is absent."""
    folder = os.environ.get("SPINE_TF_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"needs real CT: SPINE_TF_DATA must name its folder. Received: {folder!r}")
    return Path(folder)


def _cached(name: str, mask: np.ndarray) -> CachedCase:
    hu = np.where(mask, 900, 100).astype(np.int16)
    case = Case(name, name, Path(f"{name}.nii.gz"), Path(f"{name}_msk.nii.gz"), None, "phantom", None)
    return CachedCase(case, hu, mask, np.argwhere(mask).astype(np.int32), (1.0, 1.0, 1.0), (-300.0, 1300.0))


@pytest.fixture
def cube_case() -> CachedCase:
    """32 mm of 100 HU with a cube of 16 mm and 900 HU in its middle, which is the spine."""
    mask = np.zeros((32, 32, 32), np.uint8)
    mask[8:24, 8:24, 8:24] = 1
    return _cached("cube", mask)


@pytest.fixture
def empty_case() -> CachedCase:
    """32 mm of 100 HU without any spine."""
    return _cached("empty", np.zeros((32, 32, 32), np.uint8))


@pytest.fixture(scope="session")
def threshold_run(tmp_path_factory) -> Path:
    """A run's folder whose network calls bright pixels spine: one 1x1 convolution a view, its weights set by hand."""
    import keras

    from spine_tf.config import VIEWS, PreprocessSpec, to_dict
    from spine_tf.training.checkpoint import write_metadata
    from spine_tf.training.run_folder import RunFolder

    folder = tmp_path_factory.mktemp("threshold_run")
    inputs = [keras.Input((32, 32, 3), name=view) for view in VIEWS]
    logits = [keras.layers.Conv2D(1, 1, name=f"{view}_conv")(x) for view, x in zip(VIEWS, inputs, strict=True)]
    mask = keras.layers.Activation("sigmoid", name="mask")(keras.layers.Concatenate()(logits))
    model = keras.Model(inputs, mask)
    for view in VIEWS:
        # Only the slice itself counts, not its neighbours: sigmoid(200 * (pixel - 0.5)).
        model.get_layer(f"{view}_conv").set_weights([np.float32([0, 200, 0]).reshape(1, 1, 3, 1), np.float32([-100])])
    model.save(RunFolder(folder).network)
    write_metadata(folder, {"preprocess": to_dict(PreprocessSpec(image_size=32, smoothing_mm=0.0, body_box=False))})
    return folder


@pytest.fixture(scope="session")
def threshold_lite(threshold_run, tmp_path_factory) -> Path:
    """The same network as a .tflite file: ready in a second, where Keras takes several."""
    import keras

    from spine_tf.export.litert import write_litert
    from spine_tf.training.run_folder import RunFolder

    folder = tmp_path_factory.mktemp("threshold_lite")
    run = RunFolder(threshold_run)
    write_litert(keras.saving.load_model(run.network, compile=False), folder / "x.tflite", "float32")
    shutil.copy(run.metadata, folder)
    return folder / "x.tflite"


@pytest.fixture(scope="session")
def six_scans(tmp_path_factory) -> Path:
    """A folder with six small scans, ct/ and masks/: a bright block, elsewhere in each, is the spine."""
    root = tmp_path_factory.mktemp("six_scans")
    (root / "ct").mkdir()
    (root / "masks").mkdir()
    for number in range(6):
        rng = np.random.default_rng(number)
        mask = np.zeros((32, 28, 24), np.uint8)
        x, y, z = rng.integers(2, 10, 3)
        mask[x : x + 14, y : y + 12, z : z + 10] = 1
        hu = np.where(mask, 800, 40) + rng.normal(0, 100, mask.shape)
        nib.save(nib.Nifti1Image(hu.astype(np.int16), np.eye(4)), root / "ct" / f"case{number}.nii.gz")
        nib.save(nib.Nifti1Image(mask * 20, np.eye(4)), root / "masks" / f"case{number}.nii.gz")
    return root


@pytest.fixture(scope="session")
def plain_run(six_scans, tmp_path_factory) -> Path:
    """A run's folder as `train_run` leaves it for six_scans, with a plain network of random weights in it.

    27 filters: 6 of a convolution a view, 6 that read all of them, 3 masks; only the latter cannot be removed.
    """
    import keras

    from spine_tf.config import PRESETS, VIEWS, to_dict, with_changes
    from spine_tf.data.splits import split_cases, write_split
    from spine_tf.data.verse import pair_globs
    from spine_tf.support.files import write_json
    from spine_tf.training.checkpoint import save_model, write_metadata
    from spine_tf.training.run_folder import RunFolder

    folder = tmp_path_factory.mktemp("plain_run")
    globs = {kind: str(six_scans / place / "*.nii.gz") for kind, place in (("images", "ct"), ("masks", "masks"))}
    config = with_changes(
        PRESETS["tiny"],
        data=globs | {"val_fraction": 0.25},
        augment={"min_box_mm": 10.0},
        train={"learning_rate": 0.1, "loss": "bce_dice", "seed": 7},
    )
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((32, 32, 3), name=view) for view in VIEWS]
    maps = [keras.layers.Conv2D(6, 1, name=f"{view}_conv")(x) for view, x in zip(VIEWS, inputs, strict=True)]
    maps = keras.layers.BatchNormalization(name="bn")(keras.layers.Concatenate(name="joined")(maps))
    joined = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="joined_conv")(maps)
    mask = keras.layers.Conv2D(3, 1, activation="sigmoid", name="mask")(joined)
    run = RunFolder(folder)
    save_model(keras.Model(inputs, mask), run.network)
    write_json(run.config, to_dict(config))
    write_split(run.split, split_cases(pair_globs(globs["images"], globs["masks"]), 0.2, 0.25))
    write_metadata(folder, {"preprocess": to_dict(config.preprocess)})
    return folder


@pytest.fixture(scope="session")
def pruned_run(plain_run, tmp_path_factory) -> Path:
    """`plain_run` with half of its filters removed, fine-tuned for two epochs; not to be changed."""
    from spine_tf.config import PruneSettings
    from spine_tf.training.prune_run import run_pruning

    folder = tmp_path_factory.mktemp("pruned") / "run"
    run_pruning(PruneSettings(plain_run, calibration_batches=2, epochs=2), folder, folder.parent / "data")
    return folder


@pytest.fixture(scope="session")
def made_body():
    """A trunk of boxes at 2 x 2 x 4 mm: HU, TotalSegmentator's classes, voxel size and first voxel in mm.

    L1 (31) above L2 (30), each a body of 32 x 24 x 28 mm around (0, 20) with an arch behind a canal; disc between them,
    lung to the left, aorta to the right, fat around, table behind.
    """
    shape, spacing, first = (48, 56, 21), (2.0, 2.0, 4.0), (-47.0, -65.0, 0.0)
    x, y, z = (
        (f + s * np.arange(n)).reshape([-1 if a == b else 1 for b in range(3)])
        for a, (f, s, n) in enumerate(zip(first, spacing, shape, strict=True))
    )
    hu, classes = np.full(shape, -1000, np.int16), np.zeros(shape, np.uint8)

    def paint(where, value, label=0):
        where = np.broadcast_to(where, shape)
        hu[where], classes[where] = value, label

    paint((np.abs(x) < 44) & (np.abs(y) < 42), -100)
    paint((np.abs(x) < 20) & (np.abs(y) < 36), 50)
    paint((x < -22) & (x > -36) & (np.abs(y) < 30), -850, 11)
    paint(np.square(x - 20) + np.square(y - 10) < 49, 200, 52)
    for label, middle in ((31, 60), (30, 20)):
        tall = np.abs(z - middle) <= 14
        paint((np.abs(x) < 16) & (np.abs(y - 20) < 12) & tall, 300, label)
        paint((np.abs(x) < 16) & (np.abs(y + 4) < 14) & (np.abs(z - middle) <= 8), 400, label)
    paint((np.abs(x) < 9) & (np.abs(y) < 8), 20, 79)
    paint((np.abs(y + 49) < 2) & (np.abs(x) < 40), 0)
    return hu, classes, spacing, first


@pytest.fixture(scope="session")
def body_arrays(made_body) -> dict:
    """The made body, prepared for warping."""
    from spine_tf.data.synthesis.preparing import prepare_trunk

    return prepare_trunk(*made_body)
