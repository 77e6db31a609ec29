"""Every public name has an example that runs."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import spine_tf

PACKAGES = ["spine_tf", *(one.name for one in pkgutil.walk_packages(spine_tf.__path__, "spine_tf.") if one.ispkg)]
MOST_SKIPPED = 5


def public_objects() -> dict[str, object]:
    """Functions and classes that packages name in `__all__`, by where they are defined."""
    found = {}
    for package in map(importlib.import_module, PACKAGES):
        for name in getattr(package, "__all__", ()):
            thing = getattr(package, name)
            if inspect.isfunction(thing) or inspect.isclass(thing):
                found[f"{thing.__module__}.{thing.__qualname__}"] = thing
    return found


OBJECTS = public_objects()


def examples(thing) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(thing) or "")


def test_every_package_says_what_it_makes_public():
    assert not [name for name in PACKAGES if not hasattr(importlib.import_module(name), "__all__")]
    assert len(OBJECTS) > 60


@pytest.mark.parametrize("name", OBJECTS)
def test_the_example_shows_a_value_and_runs(name, tmp_path, monkeypatch):
    thing = OBJECTS[name]
    assert any(example.want for example in examples(thing)), f"{name} has no Example that shows a value"
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(thing.__module__)
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(thing), dict(vars(module)), name, None, None)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    said = []
    result = runner.run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def test_few_examples_are_skipped():
    skipped = [n for n, one in OBJECTS.items() if any(doctest.SKIP in e.options for e in examples(one))]
    assert len(skipped) <= MOST_SKIPPED, skipped
