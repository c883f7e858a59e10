"""A line of a mail log, whoever wrote it down: syslog in its formats, postlogd, or the systemd journal."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 4096  # bytes of a line that are kept; Postfix itself cuts its records at 2000 characters

_STAMP = (
    r"(?P<stamp>\d{4}-\d\d-\d\dT[\d:.,]{8,15}(?:Z|[+-]\d\d:?\d\d)"  # RFC 3339: rsyslog's own, journalctl's
    r"|[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?"  # RFC 3164: traditional syslog, postlogd
    r"|\d{10}\.\d{6})"  # journalctl -o short-unix
)
_SYSLOG = re.compile(
    _STAMP + r" (?P<host>[^\s:]{1,255}) +(?:[a-z0-9]{1,9}\.[a-z]{1,9} )?"  # busybox adds facility.level
    r"(?P<program>[^\s\[\]]{1,128}?)(?:\[(?P<pid>\d{1,9})\])?:(?: |$)(?P<text>.*)"
)
_RFC5424 = re.compile(
    r"<\d{1,3}>1 (?P<stamp>\S{1,64}) (?P<host>\S{1,255}) (?P<program>\S{1,128}) (?P<pid>\d{1,9}|-) \S{1,32} "
    r"(?:-|\[[^\]]{0,999}\]) +(?P<text>.*)"
)
# Postfix names the level first (msg(3)); Dovecot after the service; saslauthd not at all
_SEVERITY = re.compile(
    r"(?:[a-z-]{1,20}(?:\([^)]{0,200}\))?: )?(?P<level>warning|error|fatal|panic): ", re.IGNORECASE
)
# the words in which systemd says that a unit starts, stops or fails
_UNIT_NEWS = re.compile(
    r"\b(?:(?:re)?(?:start|stop|load)|fail|exit|kill|deactivat|terminat|timed out|refus|abort|dump)",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"[\w ]{0,32}: auth failure: ")


class Severity(StrEnum):
    """How bad the program that logged a line took it to be, from nothing to the end of the process."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    FATAL = "fatal"
    PANIC = "panic"


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of the log says. All of its text is printable: nothing in it can steer a terminal.

    ``time`` is in seconds since 1970: when it was logged, or for a file when it was read. ``program`` is as
    the log names it ("postfix/submission/smtpd"; "" in an unknown format), ``pid`` 0 where none is said.
    ``stamp`` is the time as the log writes it, for who wants to find the line again.
    """

    time: float
    program: str
    pid: int
    text: str
    stamp: str = ""

    @property
    def daemon(self) -> str:
        """The program without the names of instance and service: "smtpd"."""
        return self.program.rpartition("/")[2]

    @property
    def noise(self) -> bool:
        """Whether it is systemd on something else than a unit's start, stop or failure."""
        return self.program == "systemd" and not _UNIT_NEWS.search(self.text)

    @property
    def severity(self) -> Severity:
        """The level that the text itself begins with."""
        if found := _SEVERITY.match(self.text):
            return Severity(found["level"].lower())
        return Severity.WARNING if _REFUSED.match(self.text) else Severity.INFO


def harmless(text: str | bytes) -> str:
    r"""Return ``text`` with all that does not simply print shown instead: ``\x1b``, ``\u202e``, ``\xff``."""
    if isinstance(text, bytes):
        text = text.decode(errors="backslashreplace")
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character == "\t" else character.encode("unicode_escape", "surrogatepass").decode()


def parse(raw: bytes, now: float = 0.0) -> Line:
    """Return what the line ``raw`` of a log file or of ``journalctl``'s output says, in whatever format.

    ``now`` becomes its time. A line in no known format is all text.
    """
    if raw.startswith(b"{"):
        return from_journal(raw)
    text = harmless(raw.rstrip(b"\r\n"))
    found = _SYSLOG.search(text) or _RFC5424.match(text)
    if not found:
        return Line(now, "", 0, text)
    pid = found["pid"] or ""
    return Line(
        now, found["program"], int(pid) if pid.isdecimal() else 0, found["text"].lstrip(), found["stamp"]
    )


def from_journal(raw: bytes) -> Line:
    """Return what one line of ``journalctl -o json`` says; one that isn't JSON is all text.

    The fields are those of systemd.journal-fields(7). A message that isn't plain text is a list of bytes.
    """
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        return Line(0.0, "", 0, harmless(raw.rstrip(b"\r\n")))
    microseconds = _number(entry.get("__REALTIME_TIMESTAMP"))
    logged = microseconds / 1e6
    return Line(
        logged,
        harmless(_field(entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM"))),
        _number(entry.get("SYSLOG_PID")) or _number(entry.get("_PID")),
        harmless(_field(entry.get("MESSAGE"))).lstrip(),
        time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(logged)),
    )


def _number(value: object) -> int:
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value) else 0


def _field(value: object) -> str:
    if isinstance(value, str):
        return value[:LONGEST]
    if isinstance(value, list):
        small = (byte for byte in value[:LONGEST] if isinstance(byte, int) and 0 <= byte <= 255)  # noqa: PLR2004 - a byte
        return bytes(small).decode(errors="backslashreplace")
    return ""


class Splitter:
    """Cuts what comes in pieces into lines. Keeps ``longest`` bytes of a line, however long that is."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._begun = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that ``piece`` completes, without their ends."""
        *ended, rest = piece.split(b"\n")
        for line in ended:
            self._add(line)
            yield bytes(self._begun)
            self._begun.clear()
        self._add(rest)

    def rest(self) -> bytes:
        """Return the line that was begun and not ended, and forget it."""
        begun = bytes(self._begun)
        self._begun.clear()
        return begun

    def _add(self, part: bytes) -> None:
        self._begun += part[: self._longest - len(self._begun)]
