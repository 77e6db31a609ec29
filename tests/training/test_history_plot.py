from PIL import Image

from spine_tf.training.history_plot import plot_history


def test_a_history_becomes_a_picture(tmp_path):
    history = [
        {"epoch": n, "loss": 1 / n, "val_loss": 1.5 / n, "dice": 1 - 1 / n, "learning_rate": 0.1**n} for n in (1, 2, 3)
    ]
    plot_history(tmp_path / "curves.png", history)
    with Image.open(tmp_path / "curves.png") as picture:
        # Three panels of 4.2 x 3.2 inches at 100 dots an inch.
        assert picture.size == (1260, 320)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 16)}
    assert {(0, 114, 178), (213, 94, 0)} <= colours
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_no_history_no_picture(tmp_path):
    plot_history(tmp_path / "curves.png", [])
    assert not list(tmp_path.iterdir())
