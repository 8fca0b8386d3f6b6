import json

import pytest

from fashion.json_files import read_json
from fashion.streams import json_reading
from fashion.streams.json_reading import JsonStream
from mrcnn.errors import DatasetError


def read_by_parts(path, chunk):
    """The object in a file, put together of the members that the stream gives."""
    with JsonStream(path, chunk=chunk) as stream:
        data = {}
        for name in stream.members():
            if stream.next_character() == "[":
                data[name] = [stream.value() for _ in stream.elements()]
            else:
                data[name] = stream.value()
        stream.finish()
    return data


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_values_are_those_of_a_file_read_whole(tmp_path, chunk):
    data = {
        "numbers": [0, -1, 1.5, 1e-7, 12345678901234567890, True, None],
        "text": 'é "quoted" \\ \u2028 \U0001f9e6',
        "empty": {},
        "none": [],
        "objects": [{"a": [1, [2]]}, {"ü": "ß"}],
    }
    path = tmp_path / "a.json"
    for text in (
        json.dumps(data),
        json.dumps(data, ensure_ascii=False),
        json.dumps(data, indent=3),
        "\ufeff" + json.dumps(data, ensure_ascii=False, indent=1),
    ):
        path.write_text(text, encoding="utf-8")
        assert read_by_parts(path, chunk) == data == read_json(path)


def test_the_place_of_a_value_is_given_in_bytes(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"é": ["ü", {"b":1} ]}', encoding="utf-8")
    found = []
    with JsonStream(path, chunk=3) as stream:
        for _ in stream.members():
            for _ in stream.elements():
                stream.value()
                start, length = stream.span
                found.append(path.read_bytes()[start : start + length].decode())
    assert found == ['"ü"', '{"b":1}']


@pytest.mark.parametrize("chunk", [1, 1 << 20])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a"',
        b'{"a" 1}',
        b'{"a": 1 "b"',
        b'{"a": 1,}',
        b"{1: 2}",
        b'{"a": nul}',
        b'{"a": [1 2]}',
        b'{"a": [1,',
        b'{\n "a": 1,\n "b": {"c" 1}}',
        b'{"a": "never ended',
        b'{"a": 1} 2',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"}",
    ],
)
def test_a_broken_file_gets_the_sentence_of_a_file_read_whole(tmp_path, data, chunk):
    if chunk == 1 and len(data) > 10_000:
        chunk = 1000
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(DatasetError) as whole:
        read_json(path)
    with pytest.raises(DatasetError) as by_parts:
        read_by_parts(path, chunk)
    assert str(by_parts.value) == str(whole.value)


def test_a_value_has_a_greatest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(json_reading, "MOST_VALUE_BYTES", 100)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": "x" * 1000}))
    with pytest.raises(DatasetError, match="value at byte 6 has more than 100 bytes"):
        read_by_parts(path, 10)


def test_missing_files_and_folders_are_reported(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        read_by_parts(tmp_path / "a.json", 10)
    with pytest.raises(DatasetError, match="it is not a file"):
        read_by_parts(tmp_path, 10)
