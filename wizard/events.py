"""What the process that applies tells those who follow it: one JSON line each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.check_caller import Seen, Target
from wizard.checks import Check, Result, Stage
from wizard.smtp import Way

if TYPE_CHECKING:
    from collections.abc import Callable

    from wizard.check_caller import Caller


@dataclass(frozen=True, slots=True)
class Event:
    """Something has happened. ``kind``:

    ``step``: change ``number`` of ``total`` is begun. ``gap``: a service was away for a moment.
    ``testing``: the tests begin, ``total`` of them.
    ``test``: one went as ``result`` says. ``failed``: ``text`` says why. ``rolling-back``, ``rolled-back``.
    ``note``: what is to be known of the way back, such as where an edit is kept.
    ``finished``: nothing more comes; ``number`` is the exit code of the command line.
    """

    kind: str
    text: str = ""
    number: int = 0
    total: int = 0
    result: Result | None = None

    def line(self) -> bytes:
        """Return it as the line that is written."""
        record: dict[str, object] = {"kind": self.kind, "text": self.text}
        record |= {"number": self.number, "total": self.total}
        if self.result:
            record["result"] = _pack(self.result)
        return json.dumps(record).encode() + b"\n"

    @classmethod
    def of(cls, line: str) -> Event:
        """Return the event that a line tells."""
        record = json.loads(line)
        result = _unpack(record["result"]) if "result" in record else None
        return cls(record["kind"], record["text"], record["number"], record["total"], result)


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells those who follow; ``write`` takes one line. ``tested``: what the tests call."""

    write: Callable[[bytes], None]
    tested: str = "the live server"

    def tell(self, kind: str, text: str = "", number: int = 0, total: int = 0) -> None:
        """Tell that something has happened."""
        self.write(Event(kind, text, number, total).line())

    def checks(self, checks: tuple[Check, ...]) -> None:
        """Tell that the tests begin."""
        self.tell("testing", f"testing {self.tested}", total=len(checks))

    def result(self, result: Result) -> None:
        """Tell how one went."""
        self.write(Event("test", result.id, result=result).line())


def _pack(result: Result) -> dict[str, object]:
    check = result.check
    return {
        "check": [check.name, check.stage, check.title, check.expected],
        "target": [check.target.name, check.target.host, check.target.port],
        "ok": result.ok,
        "observed": result.observed,
        "explanation": result.explanation,
        "skipped": result.skipped,
        "broken": result.broken,
        "dialogue": [[str(way), text] for way, text in result.dialogue],
        "times": [result.started, result.ended],
        "source_address": result.source_address,
        "causes": result.causes,
        "log": result.log,
    }


def _unpack(fields: dict[str, Any]) -> Result:
    name, stage, title, expected = fields["check"]
    started, ended = fields["times"]
    return Result(
        Check(Target(*fields["target"]), name, Stage(stage), title, expected, _done),
        ok=fields["ok"],
        observed=fields["observed"],
        explanation=fields["explanation"],
        skipped=fields["skipped"],
        broken=fields["broken"],
        dialogue=tuple((Way(way), text) for way, text in fields["dialogue"]),
        started=started,
        ended=ended,
        source_address=fields["source_address"],
        causes=tuple(fields["causes"]),
        log=tuple(fields["log"]),
    )


def _done(caller: Caller) -> Seen:
    raise NotImplementedError(f"a test of {caller.target.name} that is over can't be run again")
