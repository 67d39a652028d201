"""Processes that have imported what they need already: they fork from one that has."""

import subprocess
import sys
from dataclasses import dataclass

SERVER = """
import importlib, os, runpy, sys, tempfile, warnings
for module in sys.argv[1:]:
    importlib.import_module(module)
warnings.simplefilter("ignore", DeprecationWarning)  # forks beside threads are what is tested
for line in sys.stdin:
    folder = line.rstrip("\\n")
    child = os.fork()
    if child == 0:
        break
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(code, flush=True)
else:
    sys.exit()
# the child: runs its script and ends as any process does
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(os.open(folder + "/out", os.O_WRONLY | os.O_CREAT), 1)
os.dup2(os.open(folder + "/err", os.O_WRONLY | os.O_CREAT), 2)
os.environ["TMPDIR"] = tempfile.tempdir = folder + "/temporary"
os.chdir(folder)
runpy.run_path(folder + "/script.py", run_name="__main__")
"""


@dataclass
class Outcome:
    """What a script has come to."""

    code: int
    out: str
    err: str


class ForkServer:
    """Runs scripts, each in a process of its own that need not import these modules again.

    Importing embrec takes seconds, which is longer than most scripts do.
    """

    def __init__(self, *modules):
        self._modules = modules

    def __enter__(self):
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER, *self._modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_):
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def run(self, script, folder):
        """Run a script in a folder, with ``folder / "temporary"`` for its temporary files."""
        (folder / "temporary").mkdir()
        (folder / "script.py").write_text(script)
        self._server.stdin.write(f"{folder}\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return Outcome(code, (folder / "out").read_text(), (folder / "err").read_text())
