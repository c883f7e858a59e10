"""Where this host logs its mail, what is added there, and which of the tests made it say that."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import psutil

from wizard.loglines import Line, Severity, Splitter, from_journal, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from wizard.root import Root

__all__ = ["Attribution", "Follower", "Line", "Severity", "Source", "discover"]

_MAIL_LOGS = ("/var/log/mail.log", "/var/log/maillog")  # Debian's syslog, Red Hat's
_AUTH_LOGS = ("/var/log/auth.log", "/var/log/secure")  # saslauthd logs as auth, PAM as authpriv: not as mail
_SYSLOG_DAEMONS = frozenset({"rsyslogd", "syslog-ng", "syslogd", "metalog"})
_JOURNAL = "/run/systemd/journal/socket"
_JOURNALCTL = "/usr/bin/journalctl"
# Postfix and Dovecot by facility; saslauthd, which logs as auth, by name; units that fail to start by unit
_MATCHES = (
    "SYSLOG_FACILITY=2",
    "SYSLOG_IDENTIFIER=saslauthd",
    "SYSLOG_IDENTIFIER=dovecot",
    "_SYSTEMD_SLICE=system-postfix.slice",
    "UNIT=saslauthd.service",
    "UNIT=postfix.service",
    "UNIT=postfix@-.service",
)
_MAIL_PROGRAMS = re.compile(r"postfix|saslauthd|dovecot|auth$")
_PIECE = 65536  # bytes read at once
_PIECES = 16  # read in one poll: a flood is taken in turns, the screen stays alive
_LONGEST_RECORD = 64 << 10  # bytes of a journal record as JSON, where a byte may take four
_LINGER = (
    5.0  # seconds that a file moved away is still read: syslog and postlogd go on writing to it for a while
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where mail is logged: ``files``, Postfix's own first, and the ``journal`` if some is there."""

    files: tuple[str, ...] = ()
    journal: bool = False

    def __str__(self) -> str:
        if self.files:
            return self.files[0]
        return "the journal" if self.journal else "nowhere: no syslog daemon, no journal, and no maillog_file"


def discover(root: Root, maillog_file: str = "") -> Source:
    """Find where mail is logged. ``maillog_file`` is Postfix's parameter of that name (MAILLOG_README).

    What saslauthd and PAM say is in neither that file nor syslog's mail log: their place comes second.
    """
    syslog = _syslog_runs(root)
    auth = next((log for log in _AUTH_LOGS if syslog and root.path(log).is_file()), None)
    also = (auth,) if auth else ()
    journal = _journal_runs(root)
    if maillog_file:
        return Source((maillog_file, *also), journal and not auth)
    mail = next((log for log in _MAIL_LOGS if syslog and root.path(log).is_file()), None)
    return Source((mail, *also)) if mail else Source(journal=journal)


def _syslog_runs(root: Root) -> bool:
    if not root.live:
        return any(root.path(f"/usr/sbin/{name}").exists() for name in _SYSLOG_DAEMONS)
    return any(process.info["name"] in _SYSLOG_DAEMONS for process in psutil.process_iter(["name"]))


def _journal_runs(root: Root) -> bool:
    wanted = (_JOURNAL, _JOURNALCTL) if root.live else (_JOURNALCTL,)
    return all(root.path(path).exists() for path in wanted)


class Follower:
    """Follows what is logged to ``source`` from now on. Close it, or use it in a ``with``."""

    def __init__(self, source: Source, root: Root) -> None:
        self._tails: list[_Tail] = []
        for number, name in enumerate(source.files):
            self._tails.append(_FileTail(root.path(name), only_mail=number > 0))
        # the journal of another tree is nothing that grows
        if source.journal and root.live:
            self._tails.append(_JournalTail())

    def poll(self) -> tuple[Line, ...]:
        """Return the lines added since the last call, without waiting for more; noise is left out."""
        return tuple(line for tail in self._tails for line in tail.lines() if not line.noise)

    def close(self) -> None:
        """Let go of the files and end the program that reads the journal."""
        for tail in self._tails:
            tail.close()
        self._tails.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Tail(Protocol):
    def lines(self) -> Iterator[Line]: ...

    def close(self) -> None: ...


class _OpenFile:
    """A log file that is open; it stays the same file when it is renamed."""

    def __init__(self, path: Path) -> None:
        # without O_NONBLOCK opening a named pipe would wait for its writer
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(self.descriptor)
        self.identity = (found.st_dev, found.st_ino)
        self.regular = stat.S_ISREG(found.st_mode)
        self.read_on = float("inf")  # until when, by the monotonic clock
        self._splitter = Splitter()

    def skip_to_end(self) -> None:
        if self.regular:
            os.lseek(self.descriptor, 0, os.SEEK_END)

    def lines(self) -> Iterator[bytes]:
        if not self.regular:
            return
        if os.fstat(self.descriptor).st_size < os.lseek(self.descriptor, 0, os.SEEK_CUR):
            os.lseek(self.descriptor, 0, os.SEEK_SET)  # truncated: what is there now is new
            self._splitter.rest()
        for _ in range(_PIECES):
            if not (piece := os.read(self.descriptor, _PIECE)):
                break
            yield from self._splitter.feed(piece)

    def close(self) -> None:
        os.close(self.descriptor)


class _FileTail:
    """Follows the file at a path through rotation: the newest one last, those moved away before it."""

    def __init__(self, path: Path, *, only_mail: bool) -> None:
        self._path = path
        self._only_mail = only_mail
        self._files: list[_OpenFile] = []
        self._notice_new_file()
        for file in self._files:
            file.skip_to_end()

    def lines(self) -> Iterator[Line]:
        self._notice_new_file()
        now = time.time()
        for file in self._files:
            for raw in file.lines():
                line = parse(raw, now)
                if not self._only_mail or _MAIL_PROGRAMS.match(line.program):
                    yield line
        self._forget_old_files()

    def close(self) -> None:
        for file in self._files:
            file.close()
        self._files.clear()

    def _notice_new_file(self) -> None:
        # between two files of a rotation there may be none, and an unreadable one is as good as none
        with suppress(OSError):
            found = self._path.stat()
            if self._files and self._files[-1].identity == (found.st_dev, found.st_ino):
                return
            file = _OpenFile(self._path)
            for older in self._files:
                older.read_on = min(older.read_on, time.monotonic() + _LINGER)
            self._files.append(file)

    def _forget_old_files(self) -> None:
        past = [file for file in self._files if file.read_on < time.monotonic()]
        for file in past:
            file.close()
            self._files.remove(file)


class _JournalTail:
    """Reads what ``journalctl`` follows. ``--since`` is now: its own start loses no line that way."""

    def __init__(self) -> None:
        matches = [word for match in _MATCHES for word in (match, "+")][:-1]
        self._program = subprocess.Popen(
            [_JOURNALCTL, "--follow", "--no-tail", f"--since=@{time.time():.6f}", "--output=json", "--all",
             "--quiet", "--no-pager", *matches],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._splitter = Splitter(_LONGEST_RECORD)
        if self._program.stdout:
            os.set_blocking(self._program.stdout.fileno(), False)

    def lines(self) -> Iterator[Line]:
        for _ in range(_PIECES):
            if not (piece := self._read()):
                break
            for raw in self._splitter.feed(piece):
                yield from_journal(raw)

    def _read(self) -> bytes:
        if not self._program.stdout or self._program.stdout.closed:
            return b""
        try:
            return os.read(self._program.stdout.fileno(), _PIECE)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        if self._program.stdout:
            self._program.stdout.close()
        self._program.terminate()
        try:
            self._program.wait(2)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()


_CLIENT = re.compile(r"\[(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})\]")
_BARE = re.compile(r"(?<![\d.])(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?![\d.])")


class Attribution:
    """Says which test made the server log a line, by the loopback address that the test calls from.

    smtpd names its client in most lines; between "connect from" and "disconnect from" one process serves one
    client, so what it says there without a name belongs to that client as well. saslauthd is told neither
    address nor process, so its lines are nobody's.
    """

    def __init__(self, addresses: Collection[str]) -> None:
        self._addresses = frozenset(addresses)
        self._served: dict[int, str] = {}

    def of(self, lines: Sequence[Line]) -> Iterable[tuple[Line, str | None]]:
        """Return ``lines``, all in the log's order, with their owners.

        What an smtpd says before it has a client, such as that its key does not fit, is its first client's.
        """
        owners = [self.owner(line) for line in lines]
        early: dict[int, list[int]] = {}
        begun: set[int] = set()
        for number, line in enumerate(lines):
            if line.daemon != "smtpd" or line.pid in begun:
                continue
            early.setdefault(line.pid, []).append(number)
            if line.text.startswith(("connect from ", "disconnect from ")):
                begun.add(line.pid)
                for each in early[line.pid]:
                    owners[each] = owners[each] or owners[number]
        return zip(lines, owners, strict=True)

    def owner(self, line: Line) -> str | None:
        """Return the address that caused ``line``, None if it is nobody's. To be asked in the log's order."""
        named = _CLIENT.search(line.text) or _BARE.search(line.text)
        address = named[1] if named else ""
        if line.daemon == "smtpd" and line.text.startswith("connect from "):
            self._served.pop(line.pid, None)
            if address in self._addresses:
                self._served[line.pid] = address
        found = address if address in self._addresses else None
        if line.daemon == "smtpd":
            found = found or self._served.get(line.pid)
            if line.text.startswith(("disconnect from ", "fatal: ", "panic: ")):
                self._served.pop(line.pid, None)
        return found
