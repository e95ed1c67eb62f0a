"""What the tests run inside the sandbox; the functions stand for a program's trusted code."""

import contextlib
import os
import time

import numpy as np

from nlsq.security.loading import load_function


def evaluate(payload):
    """A model file on data."""
    f = load_function(payload["path"], "model" if payload.get("honest") else "f")
    return np.asarray(f(payload["x"], *payload["p"]))


def fit(payload):
    """A model file fitted to what it gives at `p`."""
    from nlsq import curve_fit

    f = load_function(payload["path"], "model")
    y = np.asarray(f(payload["x"], *payload["p"]))
    start, backend = np.multiply(payload["p"], 1.05), payload.get("backend")
    result = curve_fit(f, payload["x"], y, p0=start, backend=backend)
    return {"popt": result.popt, "road": result.model_info.road}


def forge_programs(payload):
    """What a stranger who got past every wall but the last would leave for the next child."""
    from nlsq.utils.kept import in_memory

    in_memory().put("jit_fit", bytes(payload["length"]))


def run_unchecked(payload):
    """Strangers' files as they are: what the walls before the child would have let through."""
    os.environ |= {"MPLBACKEND": "agg", "QT_QPA_PLATFORM": "offscreen"}  # else Qt may abort
    for path in payload["paths"]:
        with open(path, "rb") as file:
            source = file.read()
        with contextlib.suppress(BaseException):
            exec(compile(source, path, "exec"), {"__name__": "stranger"})
    return len(payload["paths"])


def _attempt(function, *args):
    try:
        function(*args)
    except OSError as error:
        return type(error).__name__
    return "done"


def reach_out(payload):
    """Attempts at what a child may not do, by name."""
    import ctypes
    import fcntl
    import resource
    import signal
    import socket
    import subprocess

    there = payload["file"]
    libc = ctypes.CDLL(None, use_errno=True)
    attempts = {
        "create": (open, there + ".new", "w"),
        "append": (open, there, "a"),
        "truncate": (os.truncate, there, 0),
        "remove": (os.unlink, there),
        "rename": (os.rename, there, there + ".new"),
        "folder": (os.mkdir, there + ".new"),
        "link": (os.symlink, there, there + ".new"),
        "mode": (os.chmod, there, 0),
        "times": (os.utime, there),
        "attribute": (os.setxattr, there, "user.x", b"1"),
        "memory file": (os.memfd_create, "x"),
        "socket": (socket.socket,),
        "socket pair": (socket.socketpair,),
        "fork": (os.fork,),
        "spawn": (subprocess.run, ["/bin/true"]),
        "program": (os.execv, "/bin/true", ["true"]),
        "signal": (os.kill, os.getppid(), signal.SIGTERM),
        "group": (os.killpg, 0, signal.SIGTERM),
        "typing": (fcntl.ioctl, 2, 0x5412, b"x"),
        "nice": (os.nice, 1),
        "other limits": (resource.prlimit, os.getppid(), resource.RLIMIT_CPU, (1, 1)),
        "leave folder": (os.chdir, "/"),
        "root": (os.chroot, "/"),
    }
    found = {name: _attempt(*attempt) for name, attempt in attempts.items()}
    numbers = {"ptrace": 101, "io_uring_setup": 425, "bpf": 321, "openat2": 437, "userfaultfd": 323}
    if os.uname().machine == "x86_64":
        for name, number in numbers.items():
            found[name] = "done" if libc.syscall(number, 0, 0, 0, 0) >= 0 else "refused"
        x32 = libc.syscall(0x40000000 | 41, 2, 1, 0)
        found["socket of x32"] = "done" if x32 >= 0 else "refused"
    found["read"] = _attempt(open, there)
    for path in payload["others"]:
        found[f"read {path}"] = _attempt(os.listdir if os.path.isdir(path) else open, path)
    return found


def raise_limits(payload):
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (before[0] * 2, before[1] * 2))
    return resource.getrlimit(resource.RLIMIT_AS) == before


def thread(payload):
    import threading

    found = []
    worker = threading.Thread(target=found.append, args=(payload["value"],))
    worker.start()
    worker.join()
    return found[0]


def echo(payload):
    print("said by the child \x1b[2J")
    return payload


def forge(payload):
    for descriptor in range(3, 20):
        with contextlib.suppress(OSError):
            os.write(descriptor, payload["junk"])
    time.sleep(0.2)


def crash(payload):
    import ctypes

    ctypes.string_at(0)


def leave(payload):
    os._exit(3)


def best_so_far(payload):
    """Like the engine: interrupted, it answers with what it has."""
    try:
        os.write(2, f"pid {os.getpid()}\n".encode())
        while True:
            time.sleep(0.01)
    except KeyboardInterrupt:
        return "best so far"


def stubborn(payload):
    while True:
        with contextlib.suppress(BaseException):
            os.write(2, f"pid {os.getpid()}\n".encode())
            while True:
                time.sleep(0.01)


def fail_in(payload):
    load_function(payload["path"], "model")(*payload["arguments"])


def large_fit(payload):
    from nlsq import curve_fit

    x = np.linspace(0, 5, payload["points"])
    y = 2 * np.exp(-x) + 0.5 + 0.01 * np.random.default_rng(0).normal(size=x.size)
    return curve_fit(lambda x, a, b, c: a * np.exp(-b * x) + c, x, y, p0=[1, 1, 0]).popt


def environment(payload):
    return dict(os.environ)


def attempt(payload):
    """What the function f of each file gives, or the error that it ends in."""
    found = {}
    for path in payload["paths"]:
        try:
            found[path] = np.asarray(load_function(path, "f")(payload["x"], payload["a"]))
        except BaseException as error:
            found[path] = f"{type(error).__name__}: {error}"[:200]
    return found
