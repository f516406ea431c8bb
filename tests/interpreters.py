"""An interpreter that starts with packages imported, for what suites start as `sys.executable -m …`.

A process of a service spends its first seconds on importing packages. This one is a fork of a process that has them, behind
a program of a few lines that has its pid, passes signals on, and ends as it does.
"""

import atexit
import importlib
import json
import os
import resource
import runpy
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from typing import Any, Final

_PROGRAM: Final = """\
#!{link} -IS
import os, sys
# pytest rewrites its plugins when it imports them, so they must not have been imported.
if sys.argv[1:2] != ["-m"] or sys.argv[2:3] == ["pytest"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])

import json, resource, signal, socket, struct

wanted = json.dumps({{
    "module": sys.argv[2],
    "arguments": sys.argv[3:],
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "file_size": resource.getrlimit(resource.RLIMIT_FSIZE),
}}).encode()
with socket.socket(socket.AF_UNIX) as server:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: server.send(bytes([number])))
    server.connect({address!r})
    socket.send_fds(server, [struct.pack("!i", len(wanted))], [0, 1, 2])
    server.sendall(wanted)
    [code] = struct.unpack("!i", server.recv(4))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@contextmanager
def interpreter(path: list[str]) -> Iterator[str]:
    """Yield a program that runs modules with the packages that this process has imported.

    `path` is where they are searched for, after the folder and the PYTHONPATH that the program is started with.
    Other arguments than `-m`, and pytest, are the usual interpreter's. What still runs at the end is killed. To be called before this
    process has other threads.
    """
    # Not a TemporaryDirectory, which removes itself at the end of each fork.
    folder = Path(tempfile.mkdtemp(prefix="python-"))
    program, address, link = folder / "python", folder / "socket", folder / "interpreter"
    # The first line of a program takes no path with a space.
    link.symlink_to(Path(sys.executable).resolve())
    text = _PROGRAM.format(link=link, python=sys.executable, address=str(address))
    program.write_text(text)
    program.chmod(0o700)
    ours, theirs = os.pipe()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen()
        pid = _forked(_serve, theirs, server, ours, path)
    os.close(ours)
    try:
        yield str(program)
    finally:
        os.close(theirs)
        os.waitpid(pid, 0)
        shutil.rmtree(folder)


def _forked[**P](work: Callable[P, None], closed: int, *args: P.args, **kwargs: P.kwargs) -> int:
    """Do some work in a fork, without a file and without going further, and return its pid."""
    pid = os.fork()
    if not pid:
        try:
            os.close(closed)
            work(*args, **kwargs)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def _serve(server: socket.socket, lifeline: int, path: list[str]) -> None:
    watched: list[Any] = [server, lifeline]
    while lifeline not in select(watched, [], [])[0]:
        connection, _ = server.accept()
        _forked(_supervise, server.fileno(), connection, lifeline, path)
        connection.close()
    # Whoever waits for this process gets its children's times.
    with suppress(ChildProcessError):
        while True:
            os.wait()


def _supervise(connection: socket.socket, lifeline: int, path: list[str]) -> None:
    header, files, *_ = socket.recv_fds(connection, 4, 3)
    wanted = connection.recv(struct.unpack("!i", header)[0], socket.MSG_WAITALL)
    ended, running = os.pipe()
    pid = _forked(_become, connection.fileno(), json.loads(wanted), files, path)
    for file in (running, *files):
        os.close(file)
    watched: list[Any] = [connection, lifeline, ended]
    while ended not in (ready := select(watched, [], [])[0]):
        passed_on = connection.recv(1) if lifeline not in ready else b""
        os.kill(pid, passed_on[0] if passed_on else signal.SIGKILL)
        if not passed_on:
            break
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):
        connection.sendall(struct.pack("!i", code))


def _become(wanted: dict[str, Any], files: list[int], path: list[str]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  to the end of the process
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, closefd=False)  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_FSIZE, tuple(wanted["file_size"]))
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
    own = [wanted["folder"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path[:] = [*own, *path]
    sys.argv[:] = [wanted["module"], *wanted["arguments"]]
    importlib.invalidate_caches()
    os._exit(_run(wanted["module"]))


def _run(module: str) -> int:
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        if isinstance(exit_.code, str):
            print(exit_.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    return code
