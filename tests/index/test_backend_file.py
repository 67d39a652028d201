"""Backends that live in a file."""

import pickle
from pathlib import Path

from embrec.index.backend_file import FileBackend


class Text(FileBackend):
    def _open(self):
        self.text = Path(self.path).read_text()


def test_pickled_and_saved_though_its_file_is_gone(tmp_path):
    backend = Text.in_temporary_file(lambda path: path.write_text("trees"), {"n": 1})
    backend.effort = 7
    again = pickle.loads(pickle.dumps(backend))
    again.save(tmp_path / "saved")
    opened = Text(tmp_path / "saved", {"n": 1})
    (tmp_path / "saved").unlink()
    (tmp_path / "saved").write_text("another model")
    last = pickle.loads(pickle.dumps(opened))
    assert [one.text for one in (backend, again, opened, last)] == ["trees"] * 4
    assert (again.effort, again.settings) == (7, {"n": 1})
