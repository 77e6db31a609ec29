import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import VIEWS, PreprocessSpec, to_dict
from spine_tf.export.saved_model import WARMUP, export_saved_model
from spine_tf.export.signatures import needs_spacing
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.manifest import write_manifest
from spine_tf.inference.engines.saved_model import newest_version
from spine_tf.inference.volume import segment_volume
from spine_tf.scans import volume_from_array
from spine_tf.support.files import write_json
from tests.support.scans import bright_block_hu

AFFINE = np.diag([1.0, 1.5, 2.0, 1.0])

REQUESTS = """
import sys
import numpy as np
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
good = np.zeros((2, 32, 32, 3), np.float32)
bad = {
    "rank 1": good[0, 0, 0], "rank 2": good[0, 0], "rank 5": good[None], "channels": good[..., :2],
    "empty": good[:0], "nan": np.full_like(good, np.nan), "inf": np.full_like(good, np.inf), "size": good[:, :16],
}
def triplets(axial, coronal, sagittal):
    return loaded.signatures["serving_default"](
        axial=tf.constant(axial), coronal=tf.constant(coronal), sagittal=tf.constant(sagittal)
    )["mask"]
def refused(name, request):
    try:
        request()
    except tf.errors.InvalidArgumentError as error:
        print(name, "|", str(error).replace("\\n", " "))
    else:
        print(name, "| accepted")
for name, value in bad.items():
    refused(name, lambda: triplets(good, value, good))
refused("batches", lambda: triplets(good, good[:1], good))
volume = loaded.signatures["segment_volume"]
refused("zero-size", lambda: volume(hu=tf.zeros((4, 0, 3), tf.int16)))
refused("flat", lambda: volume(hu=tf.zeros((4, 3), tf.int16)))
print("good", triplets(good, good, good).shape, volume(hu=tf.zeros((9, 8, 7), tf.int16))["mask"].shape)
"""


def _export(run, folder, **fields):
    engine = load_engine(run)
    spec = replace(engine.spec, **fields)
    metadata = engine.metadata | {"preprocess": to_dict(spec)}
    model = keras.saving.load_model(run / "best.keras", compile=False)
    export_saved_model(model, spec, metadata, folder, batch_size=8)
    write_json(folder / "metadata.json", metadata)
    write_manifest(folder)
    return folder


@pytest.fixture(scope="module")
def servable(threshold_run, tmp_path_factory):
    return _export(threshold_run, tmp_path_factory.mktemp("servable") / "spine" / "3")


@pytest.fixture(scope="module")
def servable_mm(threshold_run, tmp_path_factory):
    fields = {"pixel_mm": 1.0, "coarse_to_fine": True, "body_box": True}
    return _export(threshold_run, tmp_path_factory.mktemp("servable_mm") / "1", **fields)


def test_which_models_need_the_voxel_size():
    plain = PreprocessSpec(smoothing_mm=0.0)
    assert not needs_spacing(plain)
    for field in ({"smoothing_mm": 0.5}, {"pixel_mm": 1.5}, {"coarse_to_fine": True}):
        assert needs_spacing(replace(plain, **field))


def test_triplets_are_those_of_keras(servable, threshold_run):
    views = np.random.default_rng(0).random((3, 5, 32, 32, 3), np.float32)
    np.testing.assert_allclose(
        load_engine(servable).predict(*views), load_engine(threshold_run).predict(*views), atol=1e-5
    )


def test_a_volume_is_segmented_as_here(servable, threshold_run):
    hu = bright_block_hu()
    here = segment_volume(volume_from_array(hu, AFFINE), load_engine(threshold_run), clean_up=False)
    there = tf.saved_model.load(str(servable)).signatures["segment_volume"](hu=tf.constant(hu))
    assert there["probability"].dtype == there["mask"].dtype == tf.uint8
    np.testing.assert_allclose(there["probability"].numpy(), 255 * here.probability, atol=1)
    np.testing.assert_array_equal(there["mask"].numpy(), here.mask)
    assert 0 < here.mask.mean() < 1


def test_a_volume_and_its_voxel_size_are_segmented_as_here(servable_mm):
    hu = np.full((96, 50, 40), -1000, np.int16)
    hu[10:90, 5:45, 2:38] = 0
    hu[50:66, 20:30, 8:20] = 1000
    here = segment_volume(volume_from_array(hu, AFFINE), load_engine(servable_mm), clean_up=False)
    signature = tf.saved_model.load(str(servable_mm)).signatures["segment_volume_mm"]
    there = signature(hu=tf.constant(hu), spacing_mm=tf.constant([1.0, 1.5, 2.0]))
    np.testing.assert_allclose(there["probability"].numpy(), 255 * here.probability, atol=1)
    np.testing.assert_array_equal(there["mask"].numpy(), here.mask)
    assert 0 < here.mask.mean() < 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="spacing_mm must lie in"):
        signature(hu=tf.constant(hu), spacing_mm=tf.constant([1.0, 0.0, 2.0]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="spacing_mm must have the shape"):
        signature(hu=tf.constant(hu), spacing_mm=tf.constant([1.0, 1.0]))


@pytest.fixture(scope="module")
def segment_volume_mm(servable_mm):
    """The signature, once it has answered: the first request waits for the graph optimiser."""
    loaded = tf.saved_model.load(str(servable_mm))

    def ask(shape, mm):
        return loaded.signatures["segment_volume_mm"](hu=tf.zeros(shape, tf.int16), spacing_mm=tf.fill((3,), mm))

    assert ask((2, 2, 8), np.float32(1.0))["mask"].shape == (2, 2, 8)
    return ask


@pytest.mark.parametrize(
    ("shape", "mm", "sentence"),
    [
        # 1200 mm a side: minutes to hours of tiles for a request of half a megabyte.
        ((60, 60, 60), 20.0, "hu must measure at most 1000 x 1000 x 2500 mm at its voxel size"),
        ((2, 2, 126), 20.0, "hu must measure at most 1000 x 1000 x 2500 mm at its voxel size"),
        # 300 mm a side: 13 tiles of 32 mm along each, which overlap by a quarter.
        ((60, 60, 60), 5.0, "hu must need at most 512 tiles of 32 mm at its voxel size"),
        ((2, 2, 8193), 0.05, "hu must have at most 8192 voxels along an axis"),
        ((8, 8, 8), np.nan, "spacing_mm must lie in"),
    ],
)
def test_a_request_of_hours_gets_a_sentence_at_once(segment_volume_mm, shape, mm, sentence):
    start = time.monotonic()
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        segment_volume_mm(shape, np.float32(mm))
    assert time.monotonic() - start < 3


def test_a_person_from_head_to_foot_is_within_the_bounds(segment_volume_mm):
    assert segment_volume_mm((1, 1, 125), np.float32(20.0))["mask"].shape == (1, 1, 125)


def test_a_server_can_say_what_it_is(servable):
    text = tf.saved_model.load(str(servable)).signatures["describe"](ask=tf.constant(0))["metadata"].numpy()
    assert json.loads(text) == json.loads((servable / "metadata.json").read_text())


def test_bad_requests_get_a_sentence_and_the_process_lives(servable):
    done = subprocess.run([sys.executable, "-c", REQUESTS, servable], capture_output=True, text=True, check=True)
    lines = dict(line.split(" | ", 1) for line in done.stdout.splitlines() if " | " in line)
    for name in ("rank 1", "rank 2", "rank 5", "channels", "size"):
        assert "coronal must have the shape (batch, 32, 32, 3)" in lines[name]
    assert "coronal must hold at least one slice" in lines["empty"]
    assert "coronal must be finite" in lines["nan"]
    assert "coronal must be finite" in lines["inf"]
    assert "must hold equally many slices" in lines["batches"]
    assert "hu must hold between 1 and" in lines["zero-size"]
    assert "hu must have the shape (x, y, z)" in lines["flat"]
    assert "good (2, 32, 32, 3) (9, 8, 7)" in done.stdout


def test_every_weight_is_stored_once(servable, threshold_run):
    model = keras.saving.load_model(threshold_run / "best.keras", compile=False)
    shapes = tf.train.load_checkpoint(str(servable / "variables" / "variables")).get_variable_to_shape_map()
    stored = sum(int(np.prod(shape)) for name, shape in shapes.items() if name.endswith("VARIABLE_VALUE"))
    assert stored == model.count_params()


def test_warm_up_asks_each_signature(servable):
    from tensorflow_serving.apis import prediction_log_pb2

    names = []
    for record in tf.data.TFRecordDataset(str(servable / WARMUP)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        signature = tf.saved_model.load(str(servable)).signatures[request.model_spec.signature_name]
        signature(**{key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()})
        names.append(request.model_spec.signature_name)
    assert names == ["describe", "segment_volume", "serving_default"]


def test_batched_servables_take_triplets_alone(threshold_run, tmp_path):
    engine = load_engine(threshold_run)
    model = keras.saving.load_model(threshold_run / "best.keras", compile=False)
    export_saved_model(model, engine.spec, engine.metadata, tmp_path / "1", batched=True)
    assert list(tf.saved_model.load(str(tmp_path / "1")).signatures) == ["serving_default"]


def test_the_newest_version_is_the_highest_number(tmp_path):
    for name in ("2", "10", "latest"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    assert newest_version(tmp_path).name == "10"
    assert newest_version(tmp_path / "2").name == "2"
    assert newest_version(tmp_path / "nowhere") is None


def test_a_changed_file_is_refused_before_it_is_loaded(servable, tmp_path):
    folder = tmp_path / "1"
    shutil.copytree(servable, folder)
    assert load_engine(folder.parent).name == "1"
    weights = folder / "variables" / "variables.data-00000-of-00001"
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(content)
    (folder / "assets.extra" / "more").touch()
    with pytest.raises(ValueError, match=r"more is not in it; variables/variables.data-00000-of-00001 was changed"):
        load_engine(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ValueError, match=r"model must have a manifest.json"):
        load_engine(folder)


def test_another_savedmodel_is_refused(tmp_path):
    module = tf.Module()
    module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([], tf.float32)])
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"double": module.double})
    write_json(tmp_path / "1" / "metadata.json", {"preprocess": to_dict(PreprocessSpec())})
    write_manifest(tmp_path / "1")
    with pytest.raises(ValueError, match=r"must have the signature serving_default .* \['double'\]"):
        load_engine(tmp_path)


def test_views_are_told_apart(servable):
    views = np.zeros((3, 1, 32, 32, 3), np.float32)
    views[1] = 1
    mask = load_engine(servable).predict(*views)
    assert [bool(mask[..., number].min() > 0.5) for number in range(len(VIEWS))] == [False, True, False]
