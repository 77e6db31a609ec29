import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.export import formats, parity
from spine_tf.export.formats import ExportRefused, export_products, next_version, real_scan
from spine_tf.export.parity import calibration_batches, past_limits
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.manifest import verify_manifest
from spine_tf.scans import volume_from_array
from tests.support.scans import bright_block_hu

ROW = {"max_difference": 0.0, "grey_levels": None, "dice_keras": 1.0, "dice_drop": 0.0}
SCAN = "a bright block"


@pytest.fixture(scope="module")
def scan():
    hu = bright_block_hu()
    return volume_from_array(hu, np.diag([1.0, 1.5, 2.0, 1.0])), hu == 1000


@pytest.fixture(scope="module")
def published(threshold_run, scan, tmp_path_factory):
    target = tmp_path_factory.mktemp("saved_models") / "block"
    options = {"scan": SCAN, "schemes": ("float32", "dynamic_int8"), "batched": True}
    return target, export_products(threshold_run, target, *scan, **options)


def test_a_version_holds_everything_and_its_manifest_fits(published):
    target, rows = published
    assert [row["product"] for row in rows] == ["keras", "saved_model", "float32", "dynamic_int8"]
    assert not any(row["refused"] for row in rows)
    assert rows[1]["grey_levels"] <= 1
    assert all(row["dice_truth"] > 0.9 and row["size_mb"] > 0 and row["peak_memory_mib"] > 0 for row in rows)
    folder = target / "1"
    verify_manifest(folder)
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    wanted = {"saved_model.pb", "metadata.json", "README.md", "export_report.json", "litert/float32.tflite"}
    assert wanted | {"assets.extra/tf_serving_warmup_requests", "litert/metadata.json"} <= set(listed)
    assert json.loads((folder / "export_report.json").read_text())["fast"].keys() == {"dice_drop", "time"}
    assert "/" not in json.loads((folder / "export_report.json").read_text())["scan"]
    assert [path.name for path in target.iterdir()] == ["1"]
    assert load_engine(target).metadata == load_engine(folder / "litert" / "float32.tflite").metadata


@pytest.mark.slow
def test_past_a_limit_nothing_is_published(threshold_run, scan, tmp_path, monkeypatch):
    monkeypatch.setitem(parity.LIMITS, "float32", {"least_dice_keras": 1.1})
    with pytest.raises(ExportRefused, match=r"float32: dice_keras 1.00000 is less than 1.1") as error:
        export_products(threshold_run, tmp_path / "m", *scan, scan=SCAN, schemes=("float32",))
    assert error.value.rows[2]["refused"]
    assert not list((tmp_path / "m").iterdir())


def test_a_changed_litert_file_is_refused(published, tmp_path):
    folder = tmp_path / "litert"
    shutil.copytree(published[0] / "1" / "litert", folder)
    (folder / "dynamic_int8.tflite").unlink()
    assert load_engine(folder / "float32.tflite").spec.image_size == 32  # one of them, copied with what lies beside it
    content = bytearray((folder / "float32.tflite").read_bytes())
    content[-1] ^= 1
    (folder / "float32.tflite").write_bytes(content)
    with pytest.raises(ValueError, match=r"float32.tflite was changed"):
        load_engine(folder / "float32.tflite")


def test_triplets_to_calibrate_on_are_those_of_prediction(threshold_run, scan):
    engine = load_engine(threshold_run)
    every = calibration_batches(scan[0], engine, batches=2)
    assert [len(views[0]) for views in every] == [16] * 2  # 32 steps
    fewer = calibration_batches(scan[0], engine, batches=1)
    assert len(fewer) == 1
    for views, wanted in zip(fewer, every[::2], strict=True):
        np.testing.assert_array_equal(views, wanted)


def test_a_batched_servable_has_its_parameters_beside_it(published):
    batched = published[0].with_name("block-batched")
    assert sorted(path.name for path in batched.iterdir()) == ["1", "batching_params.pbtxt"]
    verify_manifest(batched / "1")
    loaded = tf.saved_model.load(str(batched / "1"))
    assert list(loaded.signatures) == ["serving_default"]


@pytest.mark.slow
def test_a_weaker_scheme_is_refused_and_the_rest_published(threshold_run, scan, tmp_path, monkeypatch):
    monkeypatch.setitem(parity.LIMITS, "static_int8", {"dice_drop": -2.0})
    options = {"scan": SCAN, "calibration": (scan[0], SCAN), "schemes": ("dynamic_int8", "static_int8")}
    rows = export_products(threshold_run, tmp_path / "m", *scan, **options)
    assert "dice_drop" in rows[-1]["refused"][0]
    assert [path.name for path in (tmp_path / "m" / "1" / "litert").glob("*.tflite")] == ["dynamic_int8.tflite"]
    assert "refused: dice_drop" in (tmp_path / "m" / "1" / "README.md").read_text()


def test_a_version_is_never_written_over(published, threshold_run, scan):
    target, _ = published
    assert next_version(target) == 2
    assert next_version(target / "nowhere") == 1
    with pytest.raises(ValueError, match="version must be new"):
        export_products(threshold_run, target, *scan, scan=SCAN, version=1)


def test_every_limit_refuses():
    for product, figure, value in (
        ("float32", "max_difference", 2e-4),
        ("saved_model", "grey_levels", 2),
        ("float16", "dice_drop", 0.0011),
        ("dynamic_int8", "dice_drop", 0.0051),
        ("static_int8", "dice_drop", float("nan")),
        ("float32", "dice_keras", 0.9998),
    ):
        assert past_limits(ROW | {"product": product}) == []
        assert len(past_limits(ROW | {"product": product, figure: value})) == 1


def test_all_of_int8_refused_is_an_export_refused():
    rows = [ROW | {"product": name, "refused": ["x"]} for name in ("dynamic_int8", "static_int8")]
    with pytest.raises(ExportRefused, match="dynamic_int8: x"):
        formats._require(rows)
    formats._require([rows[0], ROW | {"product": "static_int8", "refused": []}])


def test_only_a_keras_model_is_exported(scan, tmp_path):
    with pytest.raises(ValueError, match=r"model must be a \.keras file or a folder"):
        export_products(tmp_path, tmp_path / "m", *scan, scan=SCAN)


def test_a_scan_of_ones_own(tmp_path):
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    hu = bright_block_hu()
    nib.save(nib.Nifti1Image(hu, affine), tmp_path / "a_ct.nii.gz")
    nib.save(nib.Nifti1Image((hu == 1000).astype(np.uint8) * 20, affine), tmp_path / "a_msk.nii.gz")
    volume, truth, source = real_scan(tmp_path / "a_ct.nii.gz", tmp_path / "a_msk.nii.gz", tmp_path)
    assert volume.shape == truth.shape == hu.shape
    assert truth.sum() == (hu == 1000).sum()
    assert source == "a_ct.nii.gz"
    with pytest.raises(ValueError, match="scan and mask must be given together"):
        real_scan(tmp_path / "a_ct.nii.gz", None, tmp_path)
