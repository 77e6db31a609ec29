import dataclasses
import json
from pathlib import Path

import pytest

from spine_tf.data.cases import Case
from spine_tf.data.splits import Split, read_split, split_cases, write_split
from spine_tf.data.verse import find_cases
from spine_tf.support.errors import RunError


def case(name: str, subject: str | None = None, subset: str | None = None, mask: bool = True) -> Case:
    return Case(
        name, subject or name, Path(f"{name}_ct.nii.gz"), Path(f"{name}.nii.gz") if mask else None, subset=subset
    )


def ten() -> list[Case]:
    return [case(f"s{n}") for n in range(10)]


def subjects(split: Split) -> list[set[str]]:
    return [{c.subject for c in cases} for cases in (split.train, split.val, split.test)]


def on_two_sides(split: Split) -> set[str]:
    train, val, test = subjects(split)
    return (train & val) | (train & test) | (val & test)


def test_a_fifth_is_tested_and_a_tenth_of_the_rest_decides():
    split = split_cases([case(f"s{n:03d}") for n in range(100)])
    assert [len(s) for s in subjects(split)] == [72, 8, 20]
    assert sum(len(s) for s in subjects(split)) == len(set.union(*subjects(split)))


def test_without_validation_as_in_the_paper():
    split = split_cases(ten(), val_fraction=0)
    assert [len(s) for s in subjects(split)] == [8, 0, 2]


def test_the_seed_alone_decides():
    assert split_cases(ten(), seed=3) == split_cases(ten()[::-1], seed=3)
    assert any(split_cases(ten(), seed=0).test != split_cases(ten(), seed=n).test for n in range(1, 5))


def test_validation_does_not_move_the_test():
    assert split_cases(ten(), val_fraction=0).test == split_cases(ten(), val_fraction=0.3).test


def test_a_subject_is_on_one_side_with_all_its_scans():
    cases = [case(f"s{n}_{scan}", f"s{n}") for n in range(7) for scan in range(1 + n % 3)]
    for seed in range(20):
        split = split_cases(cases, test_fraction=0.4, val_fraction=0.3, seed=seed)
        assert on_two_sides(split) == set()
        assert len(split.train) + len(split.val) + len(split.test) == len(cases)


def test_few_subjects():
    assert [len(s) for s in subjects(split_cases([case("a"), case("b")], val_fraction=0))] == [1, 0, 1]
    assert [len(s) for s in subjects(split_cases([case("a"), case("b"), case("c")]))] == [1, 1, 1]
    with pytest.raises(ValueError, match=r"at least 2 subjects.*training and test.*Received: 1 of 1"):
        split_cases([case("a")], val_fraction=0)
    with pytest.raises(ValueError, match=r"at least 3 subjects.*val_fraction=0 needs one less.*Received: 2 of 2"):
        split_cases([case("a"), case("b")])
    with pytest.raises(ValueError, match="Received: 1 of 3 cases"):
        split_cases([case("a", "p"), case("b", "p"), case("c", "p")])
    with pytest.raises(ValueError, match="Received: 0 of 1 cases"):
        split_cases([case("a", mask=False)])


def test_a_case_without_a_mask_has_no_role_but_is_named():
    split = split_cases([*ten(), case("bare", mask=False)])
    assert "bare" not in set.union(*subjects(split))
    assert split.facts["without_mask"] == ["bare"]


def test_official_takes_the_folders_of_verse():
    cases = [case("a", subset="training"), case("b", subset="validation"), case("c", subset="test")]
    assert subjects(split_cases(cases, split="official")) == [{"a"}, {"b"}, {"c"}]


def test_official_leaks_no_subject_that_is_tested_in_either_year():
    cases = [
        case("p_2019", "p", "test"),
        case("p_2020", "p", "training"),
        case("q_2019", "q", "training"),
        case("q_2020", "q", "validation"),
        case("r", subset="training"),
    ]
    split = split_cases(cases, split="official")
    assert subjects(split) == [{"r"}, {"q"}, {"p"}]
    assert [c.case_id for c in split.test] == ["p_2019", "p_2020"]


def test_official_without_a_validation_folder_draws_from_training():
    cases = [case(f"s{n}", subset="training") for n in range(10)] + [case("t", subset="test")]
    assert [len(s) for s in subjects(split_cases(cases, split="official"))] == [9, 1, 1]
    assert [len(s) for s in subjects(split_cases(cases, split="official", val_fraction=0))] == [10, 0, 1]


def test_official_needs_the_folders():
    with pytest.raises(ValueError, match=r"Received: 1 elsewhere, such as \['a'\]"):
        split_cases([case("a"), case("b", subset="test")], split="official")
    with pytest.raises(
        ValueError, match=r"train on and to test on\. Received: \{'training': 1, 'validation': 0, 'test': 0"
    ):
        split_cases([case("a", subset="training")], split="official")
    with pytest.raises(ValueError, match="split must be"):
        split_cases(ten(), split="random")


def test_an_unzipped_pool_of_both_releases_never_leaks(tmp_path):
    names = []
    for n in range(4, 34):
        names.append(
            f"verse19/dataset-verse19{('training', 'test')[n % 2]}/rawdata/sub-verse{n:03d}/sub-verse{n:03d}_ct.nii.gz"
        )
        names.append(
            f"verse20/0{1 + n % 3}_{('training', 'validation', 'test')[n % 3]}/verse{n:03d}/verse{n:03d}_CT-ax.nii.gz"
        )
    for series in (201, 253, 202, 251):
        names.append(f"verse19/dataset-verse19training/verse{series}.nii.gz")
    names.append("verse20/03_test/verse401/verse401_verse201_CT-iso.nii.gz")
    names.append("verse20/01_training/verse402/verse402_verse251_CT-iso.nii.gz")
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = path.name.replace("_ct.", "_seg-vert_msk.") if "_ct." in name else path.name.replace(".nii", "_seg.nii")
        path.touch()
        (path.parent / mask).touch()
    cases = find_cases(tmp_path)
    numbers = [c.case_id for c in cases]
    assert len(numbers) == len(set(numbers)) == 34
    for split in (split_cases(cases, seed=1), split_cases(cases, split="official")):
        assert split.train
        assert split.test
        assert on_two_sides(split) == set()
    assert "verse401" in subjects(split)[2]


def test_a_split_with_a_subject_on_both_sides_cannot_be_made():
    with pytest.raises(ValueError, match=r"one role. Received: \['p'\]"):
        Split([case("a", "p")], [], [case("b", "p")])


def test_written_and_read_again(tmp_path):
    split = split_cases(ten(), seed=7)
    write_split(tmp_path / "split.json", split)
    assert read_split(tmp_path / "split.json") == split
    stored = json.loads((tmp_path / "split.json").read_text())
    assert stored["facts"] == {
        "split": "subject", "seed": 7, "test_fraction": 0.2, "val_fraction": 0.1, "without_mask": [],
    }  # fmt: skip
    assert stored["test"][0]["image"].endswith("_ct.nii.gz")


def test_what_is_no_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"split\.json must be a split"):
        read_split(tmp_path / "split.json")
    (tmp_path / "split.json").write_text('{"train": []}')
    with pytest.raises(ValueError, match=r"split\.json must be a split.*val must be given"):
        read_split(tmp_path / "split.json")
    leaking = {role: [dataclasses.asdict(case("a")) | {"image": "a", "mask": "b"}] for role in ("train", "val", "test")}
    (tmp_path / "split.json").write_text(json.dumps({"facts": {}, **leaking}))
    with pytest.raises(ValueError, match="one role"):
        read_split(tmp_path / "split.json")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"case_id": 5, "subject": "p", "image": "a"}, r"train\.0\.case_id must be a valid string. Received: 5"),
        ({"case_id": "a", "subject": "p", "image": None}, r"train\.0\.image must be .*Received: None"),
        ({"case_id": "a", "subject": "p", "image": "a", "complete": "no"}, r"complete must be a valid boolean"),
        ({"case_id": "a", "subject": "p", "image": "a", "age": 3}, r"train\.0\.age must be as declared"),
        (["a", "p"], r"train\.0 must be an object"),
    ],
)
def test_a_case_of_other_types_is_refused_by_its_place(tmp_path, case, words):
    (tmp_path / "split.json").write_text(json.dumps({"facts": {}, "train": [case], "val": [], "test": []}))
    with pytest.raises(RunError, match=rf"^split\.json must be a split.*{words}"):
        read_split(tmp_path / "split.json")
