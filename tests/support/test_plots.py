import numpy as np
import pytest
from PIL import Image

from spine_tf.support.plots import new_figure, save_figure


def test_a_picture_has_the_size_and_the_background_asked_for(tmp_path):
    save_figure(new_figure((2.0, 1.5), dpi=40, facecolor="black"), tmp_path / "sub" / "a.png")
    with Image.open(tmp_path / "sub" / "a.png") as picture:
        assert picture.size == (80, 60)
        assert np.asarray(picture.convert("L")).max() == 0
        assert "Software" not in picture.info
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["a.png"]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_figure_is_the_same_file(kind, tmp_path):
    for name in ("a", "b"):
        figure = new_figure((2, 2), layout="constrained")
        # What is clipped has a made-up name in an SVG.
        figure.subplots().plot([0, 1], [0, 1], label="line")
        save_figure(figure, tmp_path / f"{name}.{kind}")
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_text_can_be_measured_before_anything_is_written():
    figure = new_figure((2, 2))
    box = figure.text(0.5, 0.5, "word").get_window_extent(figure.canvas.get_renderer())
    assert box.width > box.height > 0


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.png or \.svg\. Received: path='.*a\.gif'"):
        save_figure(new_figure((1, 1)), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())
