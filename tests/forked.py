"""The program `nlsq` in a process of its own, forked where its imports, most of a run, are done.

`Programs` starts the process that is forked. As a script, `python -IS tests/forked.py PLACE ...` is
a program like `nlsq`, which has itself run there.
"""

import atexit
import gc
import json
import os
import socket
import sys
import traceback

USUAL = """
    nlsq.core.drive.interpreted nlsq.core.minpack nlsq.core.model.duals.evaluate
    nlsq.core.orchestration.stages nlsq.io.bundle nlsq.io.report_figures nlsq.models.formulas
    nlsq.result.plotting nlsq.session.comparing nlsq.session.running nlsq.session.saving h5py
    matplotlib.backends.backend_agg matplotlib.figure scipy.optimize
""".split()  # JAX, which has threads, is left to the runs


def run(place: str, arguments: list, cwd: str, env: dict, streams=(0, 1, 2)) -> int:
    """The exit code of a run with these standard streams."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(300)
        asking.connect(place)
        socket.send_fds(asking, [b"?"], streams)
        asking.sendall(json.dumps([arguments, cwd, env]).encode())
        asking.shutdown(socket.SHUT_WR)
        return int(asking.recv(99) or 1)


def serve(place: str) -> None:
    """Fork for each who asks, until standard input ends."""
    import select
    import signal
    from importlib import import_module

    from nlsq.cli.main import COMMANDS

    for name in [f"nlsq.cli.commands.{name}" for name in COMMANDS] + USUAL:
        import_module(name)
    assert "jax" not in sys.modules
    gc.freeze()  # or a collection would copy all pages in each run
    usual = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who answers
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        print("ready", flush=True)
        while listening in select.select([listening, 0], [], [])[0]:
            asking, _ = listening.accept()
            if os.fork() == 0:
                break
            asking.close()
        else:
            return
    signal.signal(signal.SIGCHLD, usual)
    _answer(asking)


def _answer(asking: socket.socket) -> None:
    """Run in a child, and say how that ended."""
    _, streams, *_ = socket.recv_fds(asking, 1, 3)
    child = os.fork()
    if child:
        asking.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os._exit(0)
    with asking, asking.makefile("rb") as asked:
        arguments, cwd, env = json.load(asked)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8")  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["nlsq", *arguments]

    from nlsq.cli.main import main

    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:  # to take all modules apart takes longer than most runs
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(run(sys.argv[1], sys.argv[2:], os.getcwd(), dict(os.environ)))
