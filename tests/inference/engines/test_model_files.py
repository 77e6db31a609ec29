from spine_tf.inference.engines.model_files import find_network


def test_a_runs_network_comes_before_a_published_one(tmp_path):
    assert find_network(tmp_path) is None
    (tmp_path / "other.keras").touch()
    (tmp_path / "best.keras").mkdir()
    assert find_network(tmp_path) is None
    (tmp_path / "model.keras").touch()
    assert find_network(tmp_path) == tmp_path / "model.keras"
    (tmp_path / "best.keras").rmdir()
    (tmp_path / "best.keras").touch()
    assert find_network(tmp_path) == tmp_path / "best.keras"
