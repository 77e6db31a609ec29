"""Architecture figures: every network is drawn, with names, shapes and parameters of its own layers."""

import keras
import numpy as np
import pytest
from PIL import Image

from spine_tf.experiments.drawings.architecture import architecture_figure, branch_figure
from spine_tf.experiments.drawings.branch import attention_name, branch_encoder, branch_page
from spine_tf.experiments.drawings.layers import size_text
from spine_tf.experiments.drawings.network import count_text, encoder_name, network_page
from spine_tf.experiments.drawings.page import COLOURS, Page
from spine_tf.models import BUILDERS
from spine_tf.models.summary import links, stages


def branched(**fields) -> keras.Model:
    return BUILDERS["attention_linknet"](32, **{"encoder": "tiny", "linknet_encoder": "resnet18"} | fields)


@pytest.fixture(scope="module")
def proposed() -> keras.Model:
    return branched()


def written(page: Page) -> list[str]:
    return [text.get_text() for text in page.axes.texts]


def overlaps(page: Page) -> list[tuple[str, str]]:
    """Pairs of texts of a page that lie upon each other."""
    renderer = page.figure.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in page.axes.texts if text.get_text()]
    return [
        (boxes[a][0], boxes[b][0])
        for a in range(len(boxes))
        for b in range(a)
        # Lines of one box stand close: their extents may touch by a dot or two.
        if boxes[a][1].shrunk(0.9, 0.7).overlaps(boxes[b][1].shrunk(0.9, 0.7))
    ]


def test_a_picture_is_written_and_replaced(proposed, tmp_path):
    path = tmp_path / "architecture.png"
    path.write_bytes(b"old")
    architecture_figure(proposed, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        # 7.3 inches at 150 dots an inch.
        assert image.size[1] == 1095
        colours = {f"#{r:02x}{g:02x}{b:02x}" for _, (r, g, b) in image.convert("RGB").getcolors(1 << 20)}
    assert set(COLOURS.values()) <= colours
    assert list(tmp_path.iterdir()) == [path]


def test_a_vector_picture_beside_it_is_the_same_every_time(proposed, tmp_path):
    for name in ("a", "b"):
        branch_figure(proposed, (tmp_path / f"{name}.png", tmp_path / f"{name}.svg"))
    first, second = ((tmp_path / f"{name}.svg").read_bytes() for name in ("a", "b"))
    assert first == second
    assert b"<svg" in first
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        ("linknet", {"encoder": "resnet18"}),
        ("fpn", {"encoder": "mobilenetv2"}),
        ("pspnet", {"encoder": "resnet18"}),
        ("unet", {"encoder": "vgg16", "decoder": "upsampling"}),
        ("stacked_linknet", {"linknet_encoder": "resnet18"}),
        ("attention_linknet", {"encoder": "tiny", "linknet_encoder": "resnet18", "share_branches": True}),
        pytest.param(
            *("attention_linknet", {"encoder": "tiny", "linknet_encoder": "resnet18", "fusion_stride": 2}),
            marks=pytest.mark.slow,
        ),
        ("attention_pspnet", {"encoder": "tiny", "linknet_encoder": "resnet18", "attention": "none"}),
        pytest.param(
            *("attention_fpn", {"encoder": "tiny", "linknet_encoder": "efficientnetb0", "attention": "se"}),
            marks=pytest.mark.slow,
        ),
        ("hyperdensenet", {"stream_width": 0.1}),
    ],
)
def test_every_architecture_can_be_drawn(architecture, fields, tmp_path):
    architecture_figure(BUILDERS[architecture](64, **fields), tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    # Nothing runs out of the page: its rim is white.
    assert all((edge == 255).all() for edge in (pixels[:6], pixels[-6:], pixels[:, :6], pixels[:, -6:]))
    assert (pixels < 255).mean() > 0.1


@pytest.mark.parametrize("network", ["linknet", "fpn", "pspnet", "unet"])
def test_a_network_has_its_own_numbers_and_no_text_on_text(network):
    model = BUILDERS[network](64, encoder="resnet34")
    parts = stages(model)
    page = network_page(parts, links(model), "title")
    for row in parts.values():
        for stage in row:
            assert size_text(stage.shape) in written(page)
            if stage.parameters:
                assert count_text(stage.parameters) in written(page)
    assert overlaps(page) == []
    assert page.kinds["encoder"].endswith("encoder (ResNet34)")


def test_a_branch_has_its_own_numbers_and_its_modules_layers(proposed):
    row = stages(proposed)["axial branch"]
    page = branch_page(proposed, row, "axial")
    texts = written(page)
    for stage in row:
        assert count_text(stage.parameters) in texts
    # CBAM's convolution over mean and maximum of the channels (Woo et al. 2018), at the last attended map of 2 x 2.
    assert "7×7 conv" in texts
    # Behind the expanding, the depthwise and the squeezing convolution.
    assert texts.count("swish") == 3
    # A layer without words of its own would stand there by its name.
    assert not [text for text in texts if "axial_" in text]
    assert "2×2×1" in texts
    assert "resized to 32×32 and concatenated: 32×32×20" in texts
    assert overlaps(page) == []


def test_a_network_without_branches_has_no_branch_to_draw(tmp_path):
    model = BUILDERS["linknet"](32, encoder="resnet18")
    with pytest.raises(ValueError, match=r"model must have attended branches\. Received: LinkNet"):
        branch_figure(model, tmp_path / "figure.png")


def test_another_kind_of_picture_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.png or \.svg\. Received: path='.*figure\.gif'"):
        Page(2, 2).save(tmp_path / "figure.gif")
    assert not list(tmp_path.iterdir())


def test_encoders_are_recognised_by_their_blocks():
    for name in ("resnet18", "resnet34", "resnet50"):
        row = stages(BUILDERS["linknet"](32, encoder=name))["LinkNet encoder"]
        assert encoder_name(row) == name.replace("resnet", "ResNet")
    assert encoder_name(stages(BUILDERS["linknet"](32, encoder="vgg16"))["LinkNet encoder"]) == "encoder"
    # A PSPNet has the first two stages alone: ResNet50 and ResNet101 have the same.
    assert encoder_name(stages(BUILDERS["pspnet"](32, encoder="resnet50"))["PSPNet encoder"]) == "ResNet50 or ResNet101"


@pytest.mark.parametrize(("attention", "name"), [("cbam", "CBAM"), ("se", "SE"), ("none", "")])
def test_branches_are_recognised_by_their_blocks(attention, name):
    row = stages(branched(encoder="efficientnetb0", attention=attention, share_branches=True))["shared branch"]
    assert branch_encoder(row) == "EfficientNetB0"
    assert attention_name(row) == name


def test_lite0_has_the_blocks_of_b0_without_their_squeeze():
    row = stages(branched(encoder="efficientnetlite0", share_branches=True))["shared branch"]
    assert branch_encoder(row) == "EfficientNet-Lite0"


def test_the_tiny_encoder_is_no_efficientnet_by_number(proposed):
    assert branch_encoder(stages(proposed)["axial branch"]) == "EfficientNet"


@pytest.mark.parametrize(("count", "text"), [(0, ""), (145, "145"), (1980, "1.98 k"), (21_300_000, "21.3 M")])
def test_parameters_in_words(count, text):
    assert count_text(count) == text
