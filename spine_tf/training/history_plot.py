"""Draws the history of a run."""

from pathlib import Path

from matplotlib.ticker import MaxNLocator

from spine_tf.support.plots import new_figure, save_figure

PANELS = (("loss", "loss"), ("dice", "Dice of the slices"), ("learning_rate", "learning rate"))


def plot_history(path: Path, history: list[dict]) -> None:
    """Draw loss, Dice and learning rate by epoch, training and validation, as a PNG.

    Args:
        path: the picture.
        history: one dict an epoch with "epoch" and the logged values; none: no picture is made.
    """
    if not history:
        return
    panels = [(key, title) for key, title in PANELS if key in history[-1]]
    figure = new_figure((4.2 * len(panels), 3.2), layout="constrained")
    for axes, (key, title) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name, label, style in ((key, "training", "#0072B2"), (f"val_{key}", "validation", "#D55E00")):
            points = [(row["epoch"], row[name]) for row in history if name in row]
            if points:
                axes.plot(*zip(*points, strict=True), color=style, label=label, marker="o", markersize=3)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if key == "learning_rate":
            axes.set_yscale("log")
        else:
            axes.legend()
    save_figure(figure, path)
