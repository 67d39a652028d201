"""Folders that hold one version at a time."""

import json
import os
import threading
from pathlib import Path

import pytest

from embrec._utils import files
from embrec._utils.files import check_version, is_free, read_folder, write_folder


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


@pytest.mark.skipif(os.name == "nt", reason="there is no flock on Windows")
def test_whoever_writes_meanwhile_waits(tmp_path):
    import fcntl

    def is_locked():
        descriptor = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def write(folder):
        assert is_locked()
        return {"format": 1, "says": "first"}

    def fail(folder):
        raise KeyboardInterrupt

    write_folder(tmp_path, write, marker="m.json", what="text")
    assert not is_locked()
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path, fail, marker="m.json", what="text")
    assert not is_locked()


def test_writers_at_once_come_one_after_another(tmp_path):
    texts = [str(i) for i in range(8)]
    threads = [threading.Thread(target=save, args=(tmp_path / "one", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    said, read = load(tmp_path / "one")
    assert said == read
    assert said in texts
    assert len(list((tmp_path / "one").iterdir())) == 2


def test_a_marker_that_comes_while_one_looks_is_no_other_folder(tmp_path, monkeypatch):
    """Two who write first at once: the marker of one comes when the other looks for it."""
    real = files.is_free

    def is_free(path):
        if not path.exists():
            monkeypatch.setattr(files, "is_free", real)
            save(path, "first")
            return real(path)
        return real(path)

    monkeypatch.setattr(files, "is_free", is_free)
    save(tmp_path / "one", "second")
    assert load(tmp_path / "one")[0] == "second"


def test_what_is_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter").write_text("mine")
    for path in (tmp_path, tmp_path / "letter"):
        with pytest.raises(FileExistsError, match="is there and holds no text; choose"):
            save(path, "new")
    # a folder of the marker's name is no marker
    (tmp_path / "folder" / "m.json").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="folder is there and holds no text"):
        save(tmp_path / "folder", "new")
    assert sorted(os.listdir(tmp_path)) == ["folder", "letter"]


def test_an_empty_folder_is_filled(tmp_path):
    path = tmp_path / "empty"
    path.mkdir()
    assert is_free(path)
    save(path, "new")
    assert not is_free(path)
    assert load(path) == ("new", "new")


def test_a_link_stays_one(tmp_path):
    save(tmp_path / "real", "1")
    (tmp_path / "current").symlink_to("real", target_is_directory=True)
    save(tmp_path / "current", "2")
    assert (tmp_path / "current").is_symlink()
    assert load(tmp_path / "real") == ("2", "2")


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_version(step, tmp_path, monkeypatch):
    save(tmp_path / "thing", "1")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(*((Path, "write_text") if step == "write" else (os, step)), fail)
    for name in ("thing", "new"):
        with pytest.raises(OSError, match="disk full"):
            save(tmp_path / name, "2")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["thing"]
    assert len(os.listdir(tmp_path / "thing")) == 2
    assert load(tmp_path / "thing") == ("1", "1")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such call for folders")
def test_all_reaches_the_disk_before_it_is_named(tmp_path, monkeypatch):
    """In the order that a power failure asks for: files, their names, the marker, its name."""
    done, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: done.append(os.fstat(fd).st_ino) or fsync(fd))
    monkeypatch.setattr(os, "replace", lambda *names: done.append("named") or replace(*names))
    path = tmp_path / "one"
    save(path, "text")
    version = version_of(path)
    before = {each.stat().st_ino for each in (path / "m.json", version, version / "text")}
    at = done.index("named")
    assert set(done[:at]) == before
    assert done[at + 1 :] == [each.stat().st_ino for each in (path, tmp_path)]


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
