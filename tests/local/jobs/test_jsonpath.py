import pytest

from pipeline.local.jobs.jsonpath import JsonPathError, parse, select

RECORD = {"id": 7, "review": "good", "nested": {"list": [1, 2, 3]}, "a b": None}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("$", RECORD, RECORD),
        ("$.review", RECORD, "good"),
        ("$['review']", RECORD, "good"),
        ('$["a b"]', RECORD, None),
        ("$.nested.list[1]", RECORD, 2),
        ("$.nested['list'][-1]", RECORD, 3),
        ("$['id','review']", RECORD, {"id": 7, "review": "good"}),
        ("$['id', 'nested']['id']", RECORD, 7),
        ("$[0]", ["a", "b", "c"], "a"),
        ("$[1:]", ["a", "b", "c"], ["b", "c"]),
        ("$[:-1]", ["a", "b", "c"], ["a", "b"]),
        ("$[0,2]", ["a", "b", "c"], ["a", "c"]),
        ("$[0,1:]", ["a", "b", "c"], ["a", "b", "c"]),
    ],
)
def test_select(path, value, expected):
    assert select(parse(path), value) == expected


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("$.label", RECORD, "no member 'label'"),
        ("$.review.x", RECORD, "no member 'x'"),
        ("$[3]", ["a"], "no item 3"),
        ("$[-2]", ["a"], "no item -2"),
        ("$[0]", RECORD, "not a list"),
    ],
)
def test_a_missing_part_is_named(path, value, message):
    with pytest.raises(LookupError, match=message):
        select(parse(path), value)


@pytest.mark.parametrize(
    "path", ["", "review", "$.", "$[", "$[]", "$..review", "$[?(@.a)]", "$.*", "$[*]", "$ .a", "$[a]"]
)
def test_other_paths_are_refused(path):
    with pytest.raises(JsonPathError):
        parse(path)
