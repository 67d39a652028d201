"""Processes that have imported what they need already: they fork from one that has."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

SERVER = """
import gc, importlib, json, os, runpy, sys, tempfile, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forks beside threads are what is tested
for line in sys.stdin:
    request = json.loads(line)
    if "module" in request:
        importlib.import_module(request["module"])
        gc.freeze()  # else every child goes through all of it once more when it ends
        print("null", flush=True)
    elif "child" in request:
        child, status = os.waitpid(request["child"], request["flags"])
        print(os.waitstatus_to_exitcode(status) if child else "null", flush=True)
    elif child := os.fork():
        print(child, flush=True)
    else:
        break
else:
    os._exit(0)
# the child: runs its script and ends as any process does
folder = request["folder"]
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
for name, descriptor in (("out", 1), ("err", 2)):
    os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
os.environ["TMPDIR"] = tempfile.tempdir = folder + "/temporary"
os.environ.update(request["env"])
os.chdir(folder)
sys.argv = [folder + "/script.py", *request["args"]]
if request["strict"]:
    warnings.simplefilter("error")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass
class Outcome:
    """What a script has come to."""

    code: int
    out: str
    err: str


class Process:
    """A script that runs."""

    def __init__(self, server, pid, folder):
        self.pid = pid
        self.folder = folder
        self.code = None
        self._server = server

    def poll(self):
        """Return the exit code, or None while it runs."""
        if self.code is None:
            self.code = self._server._ask(child=self.pid, flags=os.WNOHANG)
        return self.code

    def send(self, number):
        """Send it a signal, unless it has ended."""
        if self.poll() is None:  # until somebody asks again its number is not given to another
            os.kill(self.pid, number)

    def wait(self, seconds=None):
        """Wait for its end, and kill it if that takes longer."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is not None and self.poll() is None:
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
                break
            time.sleep(0.01)
        if self.code is None:
            self.code = self._server._ask(child=self.pid, flags=0)
        out, err = ((self.folder / name).read_text() for name in ("out", "err"))
        return Outcome(self.code, out, err)


class ForkServer:
    """Runs scripts, each in a process of its own that need not import these modules again.

    Importing embrec takes seconds, which is longer than most scripts do.
    """

    def __init__(self, *modules):
        self._modules = modules

    def __enter__(self):
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.load(*self._modules)
        return self

    def __exit__(self, *_):
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def _ask(self, **request):
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def load(self, *modules):
        """Import modules that later scripts need."""
        for module in modules:
            self._ask(module=module)

    def start(self, script, folder, *args, strict=False, **env):
        """Start a script in a folder, with ``folder / "temporary"`` for its temporary files.

        If it is strict, warnings are errors in it.
        """
        folder.mkdir(exist_ok=True)
        (folder / "temporary").mkdir()
        (folder / "script.py").write_text(script)
        request = {"folder": str(folder), "args": [*map(str, args)], "strict": strict, "env": env}
        return Process(self, self._ask(**request), folder)

    def run(self, script, folder, *args, strict=False, **env):
        """Run a script to its end."""
        return self.start(script, folder, *args, strict=strict, **env).wait()
