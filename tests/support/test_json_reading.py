import pytest

from spine_tf.support.json_reading import parse_object


def test_an_object_is_parsed_from_text_and_bytes():
    assert parse_object('{"a": [1, 2.5, null]}') == parse_object(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value"),
        ("5", "no JSON object but '5'"),
        ("null", "no JSON object but 'None'"),
        ('{"a": NaN}', "the number NaN"),
        ('{"a": [-Infinity]}', "the number -Infinity"),
        ('{"a": 1e999}', "the number 1e999"),
        (b"\xff\xfe\xfd", "codec"),
        ('{"a": ' + "[" * 3000 + "]" * 3000 + "}", "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "integer string conversion"),
    ],
)
def test_anything_else_is_refused_with_the_reason(content, reason):
    with pytest.raises(ValueError, match=reason):
        parse_object(content)


def test_a_server_may_answer_numbers_that_are_not_finite():
    assert parse_object('{"a": Infinity}', finite=False) == {"a": float("inf")}
