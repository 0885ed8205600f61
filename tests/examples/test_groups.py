import os

import pytest

from examples.deepfake_v3.loading.groups import match_groups, read_groups, units


def test_manifest_is_read(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_bytes(
        "\ufeffgroup,camera,file\nä,x,./real/写真.png\n,x,real/b.png\n".encode()
        + b"g,x,real/\xff.png\n"
    )
    assert read_groups(path) == {
        "real/写真.png": "ä",
        os.fsdecode(b"real/\xff.png"): "g",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,group\n", "must have the columns file and group"),
        ("", "must have the columns file and group"),
        ("file,group\na,1\na,2\n", r"one group a file; 'a' is in '1' and '2'"),
    ],
)
def test_malformed_manifests_are_errors(tmp_path, content, message):
    path = tmp_path / "groups.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_groups(path)


def test_missing_manifest_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="groups="):
        read_groups(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("pattern", "group"),
    [
        (r"id\d+", "id7"),
        (r"_v(\d+)", "12"),
        (r"(id\d+)_(v\d+)", "id7/v12"),
        (r"^([^/]+)/", "clips"),
    ],
)
def test_groups_are_what_the_brackets_catch(pattern, group):
    assert match_groups(["clips/id7_v12_003.png", ".other"], pattern)[0] == group


def test_files_that_do_not_match_are_in_no_group():
    assert match_groups(["a1", "b"], r"\d") == ["1", None]


def test_units_join_groups_and_links():
    labels = units(["a", "b", None, "a", None, None], [(1, 2), (2, 4)])
    assert labels[0] == labels[3]
    assert labels[1] == labels[2] == labels[4]
    assert len(set(labels)) == 3
