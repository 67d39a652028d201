"""Folders that are there whole or not at all, and what reaches the disk."""

import os

import pytest

from embrec._utils.files import is_empty_folder, sync, write_folder


def write(path, **files):
    """Write a folder with a marker and some files."""

    def fill(folder):
        for name, text in {"marker": "", **files}.items():
            (folder / name).write_text(text)

    write_folder(path, fill, marker="marker", what="saved thing")


def content(path):
    return {file.name: file.read_text() for file in path.iterdir()}


def test_a_folder_replaces_another_of_its_kind_whole(tmp_path):
    path = tmp_path / "not" / "yet"
    write(path, old="1", both="2")
    write(path, new="3", both="4")
    assert content(path) == {"marker": "", "new": "3", "both": "4"}
    assert os.listdir(path.parent) == ["yet"]  # nothing hidden is left
    (tmp_path / "usual").mkdir()
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_what_is_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter").write_text("mine")
    for path in (tmp_path, tmp_path / "letter"):
        with pytest.raises(FileExistsError, match="is there and holds no saved thing; choose"):
            write(path)
    # a folder of the marker's name is no marker
    (tmp_path / "folder" / "marker").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="folder is there and holds no saved thing"):
        write(tmp_path / "folder")
    assert sorted(os.listdir(tmp_path)) == ["folder", "letter"]


def test_an_empty_folder_is_filled(tmp_path):
    path = tmp_path / "empty"
    assert not is_empty_folder(path)
    path.mkdir()
    assert is_empty_folder(path)
    write(path, new="1")
    assert not is_empty_folder(path)
    assert not is_empty_folder(path / "new")
    assert content(path) == {"marker": "", "new": "1"}


def test_a_link_stays_one(tmp_path):
    write(tmp_path / "real", version="1")
    (tmp_path / "current").symlink_to("real", target_is_directory=True)
    write(tmp_path / "current", version="2")
    assert (tmp_path / "current").is_symlink()
    assert content(tmp_path / "real") == {"marker": "", "version": "2"}


def test_a_failure_in_the_middle_of_writing_leaves_the_old_folder(tmp_path):
    write(tmp_path / "thing", version="1")

    def fail(folder):
        (folder / "marker").touch()
        raise KeyboardInterrupt

    for name in ("thing", "new"):
        with pytest.raises(KeyboardInterrupt):
            write_folder(tmp_path / name, fail, marker="marker", what="saved thing")
    assert os.listdir(tmp_path) == ["thing"]
    assert content(tmp_path / "thing") == {"marker": "", "version": "1"}


@pytest.mark.parametrize("step", [1, 2], ids=["first", "second"])
def test_a_rename_that_fails_leaves_the_old_folder(step, tmp_path, monkeypatch):
    write(tmp_path / "thing", version="1")
    rename, calls = os.rename, []

    def failing(source, target):
        calls.append(source)
        if len(calls) == step:
            raise OSError("disk full")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "thing", version="2")
    assert os.listdir(tmp_path) == ["thing"]
    assert content(tmp_path / "thing") == {"marker": "", "version": "1"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such call for folders")
def test_files_and_names_in_folders_reach_the_disk(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    reached, descriptors, fsync = [], [], os.fsync

    def recorded(descriptor):
        reached.append(os.fstat(descriptor).st_ino)
        descriptors.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    for path in (tmp_path / "file", tmp_path):
        sync(path)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptors[-1])
    assert reached == [path.stat().st_ino for path in (tmp_path / "file", tmp_path)]
