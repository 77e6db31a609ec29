"""Holds what is asked of `reproduce`: a field is a flag, its docstring the flag's help. Needs no TensorFlow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spine_tf.config import require

TABLES = ("1", "2", "3", "4", "5", "6", "7", "ablation", "pruning")
FIGURES = (1, 2, 3, 4, 5, 6, 7)
RESULTS = Path("docs/results")
"""Where committed results lie: those of preset `small` on the embedded default."""


@dataclass(frozen=True)
class Request:
    """Says which tables and figures to make, and where everything lies.

    Raises:
        ValueError: nothing asked for, an unknown table or figure, or cells of several tables.

    Example:
        >>> Request(table=("3",), preset="tiny").place.as_posix()
        'runs/reproduce/tiny/results'
    """

    table: tuple[Literal[TABLES], ...] = ()
    """Tables; the last two are not in the paper."""
    figure: tuple[Literal[FIGURES], ...] = ()
    """1 to 6: the architectures, as PNG and SVG; 7: segmentations by the networks of Tables 3, 4, 7 that were run."""
    all: bool = False
    """Every table and figure."""
    preset: Literal["paper", "small", "tiny"] = "small"
    """`paper` wants VerSe and a GPU, `small` four hours of CPU for Tables 3 to 6, `tiny` shows no result."""
    data: Path | None = None
    """A VerSe root. None: phantoms and sample CTs."""
    data_root: Path = Path("data")
    """Where phantoms and sample CTs are kept."""
    runs: Path = Path("runs/reproduce")
    """Gets every run, by preset and table; what is done there is not done again."""
    results: Path | None = None
    """Gets tables and figures. None: docs/results for preset small without --data, else beside the runs."""
    seeds: tuple[int, ...] = ()
    """Of the runs; none: 0 1 2 for small, else 0."""
    cells: tuple[str, ...] = ()
    """Of the one table asked for: these rows alone are run."""
    train: bool = True
    """--no-train runs nothing and puts together what is there."""

    def __post_init__(self):
        require(self.all or self.table or self.figure, "table", "given, or figure, or all", self.table)
        require(set(self.table) <= set(TABLES), "table", f"among {TABLES}", self.table)
        require(set(self.figure) <= set(FIGURES), "figure", f"among {FIGURES}", self.figure)
        require(not self.cells or len(self.table) == 1, "cells", "given with one table", self.cells)

    @property
    def tables(self) -> tuple[str, ...]:
        """Those asked for, in the order of `TABLES` where it is all."""
        return TABLES if self.all else self.table

    @property
    def figures(self) -> tuple[int, ...]:
        """Those asked for."""
        return FIGURES if self.all else self.figure

    @property
    def folder(self) -> Path:
        """Of the preset's runs."""
        return self.runs / self.preset

    @property
    def place(self) -> Path:
        """Of tables and figures."""
        if self.results is not None:
            return self.results
        return RESULTS if self.preset == "small" and self.data is None else self.folder / "results"
