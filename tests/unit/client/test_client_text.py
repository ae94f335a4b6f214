"""The parts of the client that read and write text: JSON, statements, addresses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalam_props.reference.client import jsontext
from kalam_props.reference.client.address import of_url
from kalam_props.reference.client.failures import ClientError
from kalam_props.reference.client.statements import split

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(documents)
def test_json_is_printed_as_the_standard_library_does(document):
    """Indented and compact, numbers untouched."""
    text = json.dumps(document)
    assert jsontext.pretty(jsontext.parse(text)) == json.dumps(document, indent=2, ensure_ascii=False)
    compact = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    assert jsontext.compact(jsontext.parse(text)) == compact


@pytest.mark.parametrize("text", ["", "{", '{"a"}', "1 2", "[1,]", '{"a":1}}', "nonsense"])
def test_what_is_not_one_json_value_is_an_error(text):
    """A broken answer must not pass for an empty one."""
    with pytest.raises(ValueError, match=r"."):
        jsontext.parse(text)


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        (" ;; \n;", []),
        ("a; b ;c", ["a", "b", "c"]),
        ("x 'it''s; a' ; y", ["x 'it''s; a'", "y"]),
        ('x "q;" -- c; \n; y /* ; */ z', ['x "q;" -- c; ', "y /* ; */ z"]),
        ("x 'open; y", ["x 'open; y"]),
    ],
)
def test_statements_end_at_semicolons_outside_of_literals_and_comments(text, statements):
    """What is left open goes to the end."""
    assert split(text) == [statement.strip() for statement in statements]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:2900", ("127.0.0.1", 2900, "")),
        (" http://h/base/ ", ("h", 80, "/base")),
        ("localhost:8080", ("localhost", 8080, "")),
        ("http://[::1]:81/", ("::1", 81, "")),
    ],
)
def test_an_address_is_host_port_and_path(url, address):
    """Without a scheme, plain HTTP is meant."""
    assert of_url(url) == address


@pytest.mark.parametrize("url", ["https://h", "http://", "http://h:x", "http://h:99999", "http://h/#f"])
def test_what_is_no_http_address_is_refused(url):
    """Before anything is sent."""
    with pytest.raises(ClientError, match=r"^Configuration error: "):
        of_url(url)
