"""Damaged metadata.json and centroid files, from seeds: what is read, or one line that names the file."""

import json

import numpy as np
import pytest

from spine_tf.config import PreprocessSpec, spec_from_dict, to_dict
from spine_tf.data.centroids import read_centroids
from spine_tf.inference.engines.load import read_metadata
from spine_tf.support.errors import SpineError

JUNK = (None, True, -1, 5, 1e999, float("nan"), "", "ab", [], [1], {}, {"a": 1}, "9" * 400, [[[[0]]]])
CENTROIDS = [{"direction": ["P", "I", "R"]}, {"label": 20, "X": 10.0, "Y": 5.5, "Z": 3.0}]


def damaged(rng, values):
    """The same values with one of them, anywhere, replaced by junk or removed."""
    values = json.loads(json.dumps(values))
    place = values
    while True:
        key = rng.choice(list(place)) if isinstance(place, dict) else int(rng.integers(len(place)))
        if rng.random() < 0.5 or not isinstance(place[key], dict | list) or not place[key]:
            break
        place = place[key]
    if rng.random() < 0.2:
        del place[key]
    else:
        place[key] = JUNK[rng.integers(len(JUNK))]
    return values


def cut(rng, text: str) -> str:
    """The text as it is, cut short, with one character changed, or in thousands of brackets."""
    choice, at = rng.integers(4), int(rng.integers(len(text)))
    return [text, text[:at], text[:at] + chr(rng.integers(32, 127)) + text[at + 1 :], "[" * 3000 + text + "]" * 3000][
        choice
    ]


def outcomes(path, values, read, rounds: int) -> list[bool]:
    """Whether each damaged file was read; each that was not must be refused in one line that names the file."""
    found, words = [], []
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        path.write_text(cut(rng, json.dumps(damaged(rng, values))))
        try:
            read(path)
            found.append(True)
        except SpineError as error:
            words.append(str(error))
            found.append(False)
    assert [one for one in words if path.name not in one or len(one.splitlines()) > 1] == []
    return found


@pytest.mark.parametrize("rounds", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_metadata_is_read_or_refused_in_one_line(rounds, tmp_path):
    def read(path):
        metadata = read_metadata(path)
        try:
            spec = spec_from_dict(PreprocessSpec, metadata["preprocess"])
        except ValueError as error:
            # As `load_engine` does it, which names the file.
            raise SpineError(f"{path}: {error}") from None
        assert json.dumps(to_dict(spec), allow_nan=False)

    found = outcomes(tmp_path / "metadata.json", {"preprocess": to_dict(PreprocessSpec())}, read, rounds)
    assert 0.02 < np.mean(found) < 0.9


@pytest.mark.parametrize("rounds", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_centroids_are_read_or_refused_in_one_line(rounds, tmp_path):
    found = outcomes(tmp_path / "a_ctd.json", CENTROIDS, read_centroids, rounds)
    assert 0.02 < np.mean(found) < 0.9
