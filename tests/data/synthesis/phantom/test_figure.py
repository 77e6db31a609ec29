"""The picture of phantoms."""

from matplotlib.image import imread

from spine_tf.data.synthesis.phantom import make_phantom
from spine_tf.data.synthesis.phantom.figure import save_phantom_figure


def test_the_picture_shows_every_phantom(tmp_path):
    phantoms = [make_phantom(seed, shape=(32, 32, 40), spacing_mm=4.0) for seed in range(4)]
    save_phantom_figure(tmp_path / "phantoms.png", phantoms)
    picture = imread(tmp_path / "phantoms.png")
    assert picture.shape[:2] == (500, 1500)  # two rows of three
    cells = [picture[60:240, 500 * k : 500 * k + 490, :3] for k in range(3)] + [picture[310:490, :490, :3]]
    assert all(cell.std() > 0.05 for cell in cells)
    assert [path.name for path in tmp_path.iterdir()] == ["phantoms.png"]
