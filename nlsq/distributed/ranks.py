"""The processes of a job, and what they tell each other: `gather`, of bytes, in the order of ranks.

Everything that grows with the data stays where it was read. What goes round is n-sized, a few
kilobytes some times a second, between the hosts' memories: bytes, so that no bit can change. Each
rank sends to the first, which sends all of it to each.

Plain sockets carry it, not the collectives of `jax.distributed`, for what happens when a process is
killed (measured with JAX 0.10, three processes, SIGKILL): gloo's `all_gather` fails at once but
does not say who is lost; and JAX's coordination service aborts every process that belongs to it,
without a word of ours, when the first process dies, or a heartbeat's time after any other
(``LOG(FATAL)``; the callback that could take its place ends in ``std::bad_cast``). A socket is
closed by the system the moment that its process is gone, whoever it was: the others read that, say
it, and keep what they have. The system's own probes (keep-alive) find a machine that is gone.

A gather also carries the errors: `each(work)` raises the same one on every rank, that of the first
rank that has any. A rank that fails in between (`together`) leaves its error in place of what the
others will ask it for next. No message makes code or calls any: values go as `safe_dumps`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import selectors
import socket
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from nlsq.distributed import LostRank
from nlsq.distributed.facts import differences, facts
from nlsq.utils import interruption
from nlsq.utils.safe_serialize import safe_dumps, safe_loads

_FRAME = struct.Struct("<8scQQ")  # mark, kind, turn, length of what follows
_MARK = b"nlsqfit1"
_HELLO, _DATA, _LOST, _BYE = b"H", b"D", b"L", b"B"
_LONGEST = 1 << 32  # bytes of a message; a stranger's is longer
# Seconds until the system probes a silent peer, between probes, and their number
_PROBES = {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 8000}
_FIT = 32  # bits of a turn below the number of the fit


class Ranks:
    """This process, number `rank` of `count`, connected to the first or, if it is that, to all.

    Parameters
    ----------
    rank, count : int
    peers : dict of int to socket
        To the other ranks, or to rank 0.
    """

    def __init__(self, rank: int, count: int, peers: dict[int, socket.socket]):
        self.rank, self.count, self._peers = rank, count, peers
        self.names = {r: f"rank {r}" for r in range(count)}
        self.beside = 1  # of them on this machine, this one among them
        self.hint = ""  # what is left to go on from, for the message about a lost rank
        self._inbox: dict[int, dict[int, bytes]] = defaultdict(dict)
        self._lost: str | None = None
        self._left: set[int] = set()
        self._news = threading.Condition(threading.RLock())
        self._turn, self._fitting, self._told = 0, False, None
        self._closing, self._sending = False, threading.Lock()
        threading.Thread(target=self._listen, daemon=True, name="nlsq-ranks").start()
        atexit.register(self.close)

    # ------------------------------------------------------------------ what a fit calls

    def each(self, work: Callable[[], Any], named: bool = False) -> list:
        """What work() gives on each rank: values that `safe_dumps` knows.

        named: the message of an error says whose it is.

        Raises
        ------
        LostRank
        Exception
            What work() raised, on all ranks alike that of the first rank with an error;
            KeyboardInterrupt where one was only stopped.
        """
        error = None
        try:
            own = b"=" + safe_dumps(work()).encode()
        except (Exception, KeyboardInterrupt) as raised:
            error, own = raised, b"!" + _packed(raised)
        found = self._gather(own)
        failed = [r for r, answer in enumerate(found) if answer[:1] == b"!"]
        if failed:
            told = {r: json.loads(found[r][1:]) for r in failed}
            stopped = {r for r in failed if told[r][0] == "builtins:KeyboardInterrupt"}
            first = min(set(failed) - stopped or stopped)
            kind, message = told[first]
            if named and first not in stopped:
                message, error = f"{self.names[first]} of {self.count}: {message}", None
            same = error is not None and first == self.rank
            self._told = error if same else _rebuilt(kind, message)
            raise self._told
        return [safe_loads(answer[1:].decode()) for answer in found]

    def agree(self, work: Callable[[], Any], named: bool = False) -> Any:
        """What work() gives here, if it raises on no rank; see `each`."""
        kept = []
        self.each(lambda: kept.append(work()), named)
        return kept[0]

    def first(self, work: Callable[[], Any]) -> Any:
        """What work() gives on the first rank, which alone calls it; see `each`."""
        return self.each(lambda: None if self.rank else work())[0]

    def alike(self, told: dict[str, Any], remedy: str) -> None:
        """Refuse ranks that differ in what they tell: values by name.

        Raises
        ------
        ValueError
            What differs, and which ranks have what.
        """
        if differ := differences(self.each(lambda: told)):
            self._told = ValueError(
                f"The processes of a fit must be alike. {' '.join(differ)} {remedy}"
            )
            raise self._told

    def apart(self) -> None:
        """From here on no rank waits for another: who is lost now takes nothing with it."""
        self._fitting = False
        interruption.fail(None)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """A context in which all ranks do the same; an error on one of them ends it on all.

        Raises
        ------
        LostRank
        """
        if self._fitting:  # a part of what all do
            yield
            return
        self._turn = ((self._turn >> _FIT) + 1) << _FIT
        self._fitting, self._told, self.hint = True, None, ""
        try:
            self._require_all()
            yield
        except BaseException as error:
            if error is not self._told and not isinstance(error, LostRank):
                self._leave(error)
            raise
        finally:
            self._fitting = False
            interruption.fail(None)

    def close(self) -> None:
        """Say good-bye and close the connections."""
        if self._closing:
            return
        self._closing = True
        for r in self._peers:
            with contextlib.suppress(OSError):
                self._send(r, _BYE)
        for peer in self._peers.values():
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_WR)  # what is under way arrives
        atexit.unregister(self.close)

    # ------------------------------------------------------------------ messages

    def _gather(self, own: bytes) -> list[bytes]:
        self._turn += 1
        if self.rank:
            with contextlib.suppress(OSError):  # what follows says that the first is lost
                self._send(0, _DATA, own)
            return _parted(self._answer(0))
        answers = [own, *(self._answer(r) for r in range(1, self.count))]
        for r in self._peers:
            with contextlib.suppress(OSError):  # the next turn says who is lost
                self._send(r, _DATA, _joined(answers))
        return answers

    def _answer(self, r: int) -> bytes:
        """What rank r says in this turn."""
        with self._news:
            while (answer := self._inbox[r].pop(self._turn, None)) is None:
                self._require_all()
                if r not in self._left:
                    self._news.wait()
                else:
                    self._lose(r, f"{self.names[r]} of {self.count} has ended without this fit")
            for old in [turn for turn in self._inbox[r] if turn < self._turn]:
                del self._inbox[r][old]  # of a fit that it left
        return answer

    def _leave(self, error: BaseException) -> None:
        """Tell the others that this rank gives the fit up."""
        self._turn += 1
        answer = b"!" + _packed(error)
        own = [b"=null"] * self.count
        own[0] = answer
        for r in self._peers:
            with contextlib.suppress(OSError):
                self._send(r, _DATA, answer if self.rank else _joined(own))

    def _send(self, r: int, kind: bytes, payload: bytes = b"") -> None:
        head = _FRAME.pack(_MARK, kind, self._turn, len(payload))
        with self._sending:
            self._peers[r].sendall(head + payload)

    def _require_all(self) -> None:
        if self._lost is not None:
            raise LostRank(self._lost + self.hint)

    def _lose(self, r: int, sentence: str) -> None:
        """Note that rank r is lost, and tell the others."""
        with self._news:
            if self._lost is not None:
                return
            self._lost = f"{sentence}, so that this fit cannot go on: it would miss its data."
            self._news.notify_all()
        for other in () if self.rank else self._peers:
            if other != r:
                with contextlib.suppress(OSError):
                    self._send(other, _LOST, sentence.encode())
        if self._fitting and not self._closing:  # long work between two gathers
            interruption.fail(LostRank(self._lost + self.hint))

    # ------------------------------------------------------------------ the listener's thread

    def _listen(self) -> None:
        with selectors.DefaultSelector() as waiting:
            for r, peer in self._peers.items():
                waiting.register(peer, selectors.EVENT_READ, r)
            while waiting.get_map():
                for key, _ in waiting.select():
                    if not self._hear(key.data, key.fileobj):
                        waiting.unregister(key.fileobj)
                        key.fileobj.close()

    def _hear(self, r: int, peer: socket.socket) -> bool:
        """Take one message of rank r; whether there will be more."""
        try:
            kind, turn, payload = _received(peer)
        except (OSError, ValueError):
            self._lose(r, f"{self.names[r]} of {self.count} was lost (its connection broke)")
            return False
        with self._news:
            if kind == _DATA:
                self._inbox[r][turn] = payload
            elif kind == _BYE:
                self._left.add(r)
            self._news.notify_all()
        if kind == _LOST:
            self._lose(r, payload.decode())
        return kind != _BYE


def joined(address: str, count: int, rank: int, timeout: float) -> Ranks:
    """This rank of a job, when all have come and run the same.

    Raises
    ------
    LostRank
        Some did not come within `timeout` seconds.
    ValueError
        They run different versions or settings.
    """
    host, _, port = address.rpartition(":")
    place = host.strip("[]"), int(port)
    hello = json.dumps({"rank": rank, "count": count}).encode()
    until = time.monotonic() + timeout
    peers = _called(place, hello, until) if rank else _awaited(place, count, until)
    for peer in peers.values():
        _probe(peer)
    ranks = Ranks(rank, count, peers)
    try:
        with ranks.together():
            found = ranks.each(facts)
            ranks.names = {
                r: f"rank {r} (process {of['process']} on {of['host']})"
                for r, of in enumerate(found)
            }
            mine, here = found[rank]["alike"], found[rank]["host"]
            ranks.beside = sum(of["host"] == here for of in found)
            ranks.alike(mine, "Start all of them in the same environment.")
    except BaseException:
        ranks.close()
        raise
    return ranks


def _awaited(place: tuple[str, int], count: int, until: float) -> dict[int, socket.socket]:
    """The connections of rank 0 to all others."""
    peers: dict[int, socket.socket] = {}
    family = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)[0][0]
    try:
        door = socket.create_server(place, family=family, backlog=count)
    except OSError as error:
        raise ValueError(
            f"Rank 0 cannot listen at {place[0]}:{place[1]}: {error.strerror}. Choose another port "
            "of this machine in coordinator_address."
        ) from None
    with door:
        while len(peers) < count - 1:
            door.settimeout(max(until - time.monotonic(), 0.01))
            peer = None
            try:
                peer, _ = door.accept()
                peer.settimeout(5.0)
                kind, _, payload = _received(peer)
                told = json.loads(payload)
                new = kind == _HELLO and 0 < told["rank"] < count and told["rank"] not in peers
            except TimeoutError:
                if peer is not None:  # a stranger, who says nothing
                    peer.close()
                if time.monotonic() < until:
                    continue
                missing = ", ".join(str(r) for r in range(1, count) if r not in peers)
                raise LostRank(
                    f"Of {count} processes these did not come to {place[0]}:{place[1]} in time: "
                    f"rank {missing}. Were they started, and can they reach this machine?"
                ) from None
            except (OSError, ValueError, KeyError, TypeError):  # a stranger
                if peer is not None:
                    peer.close()
                continue
            if not new or told["count"] != count:
                peer.close()
                raise ValueError(
                    f"A process came as rank {told['rank']} of {told['count']}, but this job has "
                    f"{count}, each rank once. Check process_id and num_processes of each."
                )
            peer.settimeout(None)
            peers[told["rank"]] = peer
    return peers


def _called(place: tuple[str, int], hello: bytes, until: float) -> dict[int, socket.socket]:
    """The connection to rank 0, which may not listen yet."""
    while True:
        try:
            peer = socket.create_connection(place, 5.0)
            peer.settimeout(None)
            peer.sendall(_FRAME.pack(_MARK, _HELLO, 0, len(hello)) + hello)
            return {0: peer}
        except OSError as error:
            if time.monotonic() > until:
                raise LostRank(
                    f"Rank 0 does not listen at {place[0]}:{place[1]} ({error}). Was it started, "
                    "and can this machine reach it?"
                ) from None
            time.sleep(0.05)


def _probe(peer: socket.socket) -> None:
    """Let the system look whether the other machine is there, and send small messages at once."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _received(peer: socket.socket) -> tuple[bytes, int, bytes]:
    """(kind, turn, payload) of the next message.

    Raises
    ------
    OSError, ValueError
        The connection is closed, or a stranger's.
    """
    mark, kind, turn, length = _FRAME.unpack(_exactly(peer, _FRAME.size))
    if mark != _MARK or length > _LONGEST:
        raise ValueError("not a message of nlsq's")
    return kind, turn, _exactly(peer, length)


def _exactly(peer: socket.socket, length: int) -> bytes:
    parts, left = [], length
    while left:
        part = peer.recv(min(left, 1 << 20))
        if not part:
            raise ConnectionResetError
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _joined(parts: list[bytes]) -> bytes:
    sizes = struct.pack(f"<I{len(parts)}Q", len(parts), *map(len, parts))
    return sizes + b"".join(parts)


def _parted(joined: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("<I", joined)
    parts, at = [], 4 + 8 * count
    for size in struct.unpack_from(f"<{count}Q", joined, 4):
        parts.append(joined[at : at + size])
        at += size
    return parts


def _packed(error: BaseException) -> bytes:
    kind = type(error)
    return json.dumps((f"{kind.__module__}:{kind.__qualname__}", str(error))).encode()


def _rebuilt(kind: str, message: str) -> BaseException:
    """The error of another rank, of its kind where that is Python's or ours."""
    module, _, name = kind.partition(":")
    home = sys.modules.get(module) if module.split(".")[0] in ("builtins", "nlsq") else None
    found = getattr(home, name, None)
    if found is KeyboardInterrupt:
        return KeyboardInterrupt()
    if isinstance(found, type) and issubclass(found, Exception):
        with contextlib.suppress(TypeError):
            return found(message)
    return RuntimeError(f"{name}: {message}")
