import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from spine_tf.config import to_dict
from spine_tf.export.saved_model import export_saved_model
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.tf_serving import serving_engine
from spine_tf.inference.volume import segment_volume
from spine_tf.scans import volume_from_array
from tests.support.paths import ROOT
from tests.support.scans import bright_block_hu
from tests.support.served_models import SPEC, publish_by_hand, serving, write_config

AFFINE = np.diag([1.0, 1.5, 2.0, 1.0])


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory):
    """Version 1 calls pixels above 0.5 spine, version 2 those above 0.9."""
    root = tmp_path_factory.mktemp("two_versions")
    publish_by_hand(root, 1, level=0.5)
    publish_by_hand(root, 2, level=0.9)
    write_config(root)
    return root


@pytest.fixture(scope="module")
def served(two_versions):
    with serving(two_versions) as (models, grpc, _):
        yield models, grpc


def _views(pixel: float, n: int = 2):
    return (np.full((n, 32, 32, 3), pixel, np.float32),) * 3


def _export(run, folder, **fields):
    engine = load_engine(run)
    spec = replace(engine.spec, **fields)
    model = keras.saving.load_model(run / "best.keras", compile=False)
    export_saved_model(model, spec, {"preprocess": to_dict(spec)}, folder)
    return replace(engine, spec=spec)


IN_MM = {"pixel_mm": 1.0, "coarse_to_fine": True, "body_box": True}


@pytest.mark.parametrize("fields", [{}, pytest.param(IN_MM, marks=pytest.mark.slow)], ids=["plain", "in mm"])
def test_a_server_segments_a_scan_as_this_process_does(threshold_run, tmp_path, fields):
    # The first is served by segment_volume, the second by segment_volume_mm.
    keras_engine = _export(threshold_run, tmp_path / "spine" / "1", **fields)
    write_config(tmp_path)
    hu = bright_block_hu().astype(np.float32) + 0.25
    scan = volume_from_array(hu, AFFINE)
    with serving(tmp_path) as (models, grpc, _):
        engine = serving_engine(grpc, compress=True)
        there = segment_volume(scan, engine)
        here = segment_volume(volume_from_array(np.rint(hu), AFFINE), keras_engine)
        assert engine.spec == keras_engine.spec
        assert models.asked == {"describe": 1, "segment_volume_mm" if fields else "segment_volume": 1}
        np.testing.assert_allclose(there.probability, here.probability, atol=1.01 / 255)
        np.testing.assert_array_equal(there.mask, here.mask)
        assert 0 < here.mask.mean() < 1
        views = np.random.default_rng(0).random((3, 5, 32, 32, 3), np.float32)
        np.testing.assert_allclose(engine.predict(*views), keras_engine.predict(*views), atol=1e-5)


def test_the_newest_version_is_served_and_an_older_one_can_be_pinned(served):
    newest, pinned = serving_engine(served[1]), serving_engine(f"{served[1]}/1")
    assert newest.name == f"{served[1]}/2"
    assert pinned.name == f"{served[1]}/1"
    assert (newest.metadata["level"], pinned.metadata["level"]) == (0.9, 0.5)
    assert newest.spec == pinned.spec == SPEC
    assert newest.predict(*_views(0.7)).max() == 0
    assert pinned.predict(*_views(0.7)).min() == 1


def test_forward_and_back(tmp_path):
    publish_by_hand(tmp_path, 1)
    write_config(tmp_path, "model_version_policy { latest { num_versions: 2 } }")
    with serving(tmp_path) as (_, grpc, _):
        first = serving_engine(grpc)
        publish_by_hand(tmp_path, 2, level=0.9)
        second = serving_engine(grpc)
        assert (first.name, second.name) == (f"{grpc}/1", f"{grpc}/2")
        # An engine keeps to the version whose pre-processing it has.
        assert first.predict(*_views(0.7)).min() == 1
        write_config(tmp_path, "model_version_policy { specific { versions: 1 } }")
        assert serving_engine(grpc).name == f"{grpc}/1"
        with pytest.raises(ValueError, match=r"no such model or version.*Specific\(spine, 2\)"):
            second.predict(*_views(0.7))


def test_requests_hold_a_batch_at_most(served):
    models, grpc = served
    engine = serving_engine(grpc, batch_size=2)
    before = models.asked["serving_default"]
    assert engine.predict(*_views(0.95, 5)).shape == (5, 32, 32, 3)
    assert models.asked["serving_default"] - before == 3


def test_hu_are_rounded_and_clipped(served):
    hu = np.array([500.4, 500.6, 1e6, -1e6]).reshape(1, 2, 2)
    probability, mask = serving_engine(served[1]).volume(hu, (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(mask, [[[False, True], [True, False]]])
    np.testing.assert_array_equal(probability, mask)
    assert (probability.dtype, mask.dtype) == (np.float32, bool)


def test_messages_of_more_than_4_mb_pass(served):
    hu = np.random.default_rng(0).integers(-1000, 2000, (160, 128, 128), np.int16)
    assert hu.nbytes > 4 * 2**20
    _, mask = serving_engine(served[1], compress=True).volume(hu, (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(mask, hu > 500)


def test_a_server_that_comes_up_late_is_waited_for(two_versions):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = []
    client = threading.Thread(target=lambda: found.append(serving_engine(f"grpc://127.0.0.1:{port}/spine")))
    client.start()
    time.sleep(1.0)
    assert not found
    with serving(two_versions, port=port):
        client.join(timeout=20)
    assert found[0].name == f"grpc://127.0.0.1:{port}/spine/2"


def test_a_refused_request_is_one_line_and_not_tried_again(served):
    models, grpc = served
    engine = serving_engine(grpc)
    before = models.asked["serving_default"]
    with pytest.raises(ValueError, match="refused the request") as error:
        engine.predict(*_views(np.nan))
    assert str(error.value) == (f"the server at {grpc} refused the request. Received: axial must be finite")
    assert models.asked["serving_default"] - before == 1


def test_no_server_no_model_no_version(served):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(ValueError, match=r"does not answer; see that.* \(attempts: 1\)"):
            serving_engine(f"grpc://127.0.0.1:{free.getsockname()[1]}/spine", attempts=1)
    with pytest.raises(ValueError, match=r"no such model or version; .*Latest\(heart\)"):
        serving_engine(served[1].replace("spine", "heart"))
    with pytest.raises(ValueError, match=r"no such model or version; .*Specific\(spine, 7\)"):
        serving_engine(f"{served[1]}/7")


def test_a_deadline_ends_a_request(two_versions):
    with serving(two_versions, delay_s=2.0) as (_, grpc, _):
        start = time.monotonic()
        with pytest.raises(ValueError, match=r"took too long; .* Received: Deadline Exceeded"):
            serving_engine(grpc, deadline_s=0.5)
        assert time.monotonic() - start < 1.5


def test_a_message_too_large_for_the_server(two_versions):
    with serving(two_versions, options=(("grpc.max_receive_message_length", 10_000),)) as (_, grpc, _):
        engine = serving_engine(grpc)
        with pytest.raises(ValueError, match=r"has no room for the request .* larger than max \(\d+ vs. 10000\)"):
            engine.volume(np.zeros((20, 20, 20), np.int16), (1.0, 1.0, 1.0))


def test_a_model_must_describe_itself(tmp_path):
    publish_by_hand(tmp_path, 1, signatures={"serving_default"})
    write_config(tmp_path)
    with (
        serving(tmp_path) as (_, grpc, _),
        pytest.raises(ValueError, match=r"must have the signatures describe and .*'serving_default'\]"),
    ):
        serving_engine(grpc)


def test_a_model_without_whole_scans_gets_triplets(tmp_path):
    publish_by_hand(tmp_path, 1, signatures={"serving_default", "describe"}, asked=False)
    write_config(tmp_path)
    with serving(tmp_path) as (models, grpc, _):
        engine = serving_engine(grpc, batch_size=8)
        assert engine.volume is None
        hu = np.full((9, 8, 7), -1000, np.float32)
        hu[2:6] = 1200
        assert segment_volume(volume_from_array(hu, AFFINE), engine).mask[3].all()
        assert models.asked["serving_default"] == 2  # 9 steps, 8 in a request


def test_bad_addresses_are_refused_by_load_engine():
    with pytest.raises(ValueError, match="model must be grpc://host:port/name"):
        load_engine("tcp://localhost:8500/spine")


def test_stubs_are_imported_for_grpc_alone():
    code = (
        "import sys, spine_tf.inference.engines.tf_serving; print('tensorflow' in sys.modules, 'grpc' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_two_volumes_at_once(two_versions):
    """In a process of its own, as `python -m tests.support.contract_server` starts it; its peak memory is printed."""
    command = [
        sys.executable,
        "-m",
        "tests.support.contract_server",
        two_versions / "models.config",
        "--mount",
        two_versions,
    ]
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0"}  # as the compose file
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT
    ) as server:
        try:
            grpc = server.stdout.readline().split()[0] + "/spine"
            found = {}

            def ask(seed):
                hu = np.random.default_rng(seed).integers(-1000, 2000, (64, 96, 80), np.int16)
                found[seed] = (hu > 500, serving_engine(grpc).volume(hu, (1.0, 1.0, 1.0))[1])

            threads = [threading.Thread(target=ask, args=(seed,)) for seed in (1, 2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for seed in (1, 2):
                np.testing.assert_array_equal(*found[seed])
            if os.path.exists(f"/proc/{server.pid}/status"):
                lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
                peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
                print(f"contract server, two volumes at once: {peak / 1024:.0f} MiB at peak")
        finally:
            server.terminate()
