import inspect

import pytest

import spine_tf.scans
from spine_tf.support import errors
from spine_tf.support.device import use_device

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind is not errors.SpineError]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_one_except_clause_catches_every_kind(kind):
    arguments = ("b.nii: three axes are needed. Received: 2", *([[]] if kind is errors.ExportRefused else []))
    with pytest.raises(errors.SpineError, match="three axes") as caught:
        raise kind(*arguments)
    assert isinstance(caught.value, ValueError)


def test_an_argument_that_a_function_does_not_take_is_no_user_error():
    with pytest.raises(ValueError, match="threads must be at least 1") as caught:
        use_device(threads=0)
    assert not isinstance(caught.value, errors.SpineError)


def test_a_scan_that_is_not_there_is_a_user_error(tmp_path):
    with pytest.raises(errors.SpineError, match=r"absent\.nii") as caught:
        spine_tf.scans.read_scan(tmp_path / "absent.nii")
    assert type(caught.value) is spine_tf.scans.ScanError
