"""Folders that hold one version at a time."""

import json
import threading

import pytest

from embrec._utils import files
from embrec._utils.files import check_version, read_folder, write_folder


def save(path, text, **options):
    def write(folder):
        (folder / "text").write_text(text)
        return {"format": 1, "says": text}

    write_folder(path, write, marker="m.json", what="text", **options)


def load(path):
    def read(meta):
        return meta["says"], (check_version(path, meta) / "text").read_text()

    return read_folder(path, read, marker="m.json")


def version_of(path):
    return path / json.loads((path / "m.json").read_text())["folder"]


def test_a_version_takes_the_place_of_another_and_leaves_nothing(tmp_path):
    path = tmp_path / "one"
    for text in ("old", "new"):
        save(path, text)
        assert load(path) == (text, text)
        assert {each.name for each in path.iterdir()} == {"m.json", version_of(path).name}


def test_what_killed_writers_left_goes_and_what_is_of_others_stays(tmp_path):
    path = tmp_path / "one"
    (path / "v-0123456789abcdef").mkdir(parents=True)
    (path / "v-0123456789abcdef" / "half").touch()
    (path / "v-0123456789abcdef.json").touch()
    save(path, "new")
    (path / "notes").touch()
    (path / "former").touch()
    save(path, "newer", former=["former"])
    names = {each.name for each in path.iterdir()}
    assert names == {"m.json", "notes", version_of(path).name}


def test_whoever_reads_meanwhile_gets_one_version_whole(tmp_path):
    save(tmp_path, "old")
    found = []

    def read(meta):
        found.append(meta["says"])
        if len(found) == 1:
            save(tmp_path, "new")
        return meta["says"], (check_version(tmp_path, meta) / "text").read_text()

    assert read_folder(tmp_path, read, marker="m.json") == ("new", "new")
    assert found == ["old", "new"]


def test_whoever_writes_meanwhile_waits(tmp_path):
    begun, order = threading.Event(), []

    def second():
        begun.set()
        save(tmp_path, "second")
        order.append("second")

    thread = threading.Thread(target=second)

    def write(folder):
        thread.start()
        assert begun.wait(60)
        (folder / "text").write_text("first")
        thread.join(0.2)
        order.append("first")
        return {"format": 1, "says": "first"}

    write_folder(tmp_path, write, marker="m.json", what="text")
    thread.join(60)
    assert not thread.is_alive()
    assert order == ["first", "second"]
    assert load(tmp_path) == ("second", "second")


@pytest.mark.parametrize("whole", [True, False])
def test_every_changed_byte_is_found(whole, tmp_path):
    save(tmp_path, "text")
    meta = json.loads((tmp_path / "m.json").read_text())
    file = version_of(tmp_path) / "text"
    mapped = () if whole else ("text",)
    for damaged in (b"tex", b"textt", b"tExt", b"texT"):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{tmp_path} is damaged: v-.*text is "):
            check_version(tmp_path, meta, mapped=mapped)


def test_of_a_mapped_file_the_beginning_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "HEAD", 2)
    save(tmp_path, "text")
    meta = json.loads((tmp_path / "m.json").read_text())
    (version_of(tmp_path) / "text").write_text("teXt")
    check_version(tmp_path, meta, mapped=["text"])
    with pytest.raises(ValueError, match="its checksum is another"):
        check_version(tmp_path, meta)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "1"}', '{"format": 1, "says": "x"}', "[" * 10**5, "\0"]
)
def test_a_damaged_marker(text, tmp_path):
    save(tmp_path, "text")
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ValueError, match=f"{tmp_path} is damaged: "):
        load(tmp_path)


def test_a_marker_that_says_something_else(tmp_path):
    save(tmp_path, "text")
    meta = (tmp_path / "m.json").read_text()
    (tmp_path / "m.json").write_text(meta.replace('"says": "text"', '"says": "texts"'))
    with pytest.raises(ValueError, match="what its file of JSON says has been changed"):
        load(tmp_path)
