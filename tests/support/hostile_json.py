"""Contents that no JSON file of ours has, by what is wrong with them: all are objects to be refused."""

HOSTILE = {
    "nothing": b"",
    "a number": b"5",
    "null": b"null",
    "text": b'"metadata"',
    "an array": b"[]",
    "cut short": b'{"preset": "ti',
    "NaN": b'{"threshold": NaN}',
    "infinity": b'{"pixel_mm": -Infinity}',
    "too large for a float": b'{"pixel_mm": 1e999}',
    "too many digits": b'{"image_size": ' + b"9" * 5000 + b"}",
    "3,000 levels": b'{"a": ' * 3000 + b"1" + b"}" * 3000,
    "200,000 open brackets": b'{"a": ' + b"[" * 200_000,
    "no UTF-8": b'{"a": "\xff\xfe\xfa"}',
    "bytes of a picture": b"\x89PNG\r\n\x1a\n\x00\x00",
}
