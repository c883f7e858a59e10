"""What the two layers, the back end and Postfix, said to an account, and at which of them it fails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Layer(StrEnum):
    """Who was asked."""

    BACK_END = "back end"
    POSTFIX = "Postfix"


class Reply(StrEnum):
    """What the answer was. ``SILENT``: it could not be asked; ``UNTRIED``: it was not asked."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    SILENT = "silent"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class Tried:
    """One question, asked ``where``: "saslauthd", "submission, PLAIN". ``why``: what the back end's means."""

    layer: Layer
    where: str
    reply: Reply
    said: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the account can log in; in words at which layer it fails if it can't, and ``why``."""

    ok: bool
    text: str
    why: str = ""


def verdict(tried: Sequence[Tried], why: str = "") -> Verdict:
    """Judge all that was ``tried``; ``why`` Postfix refuses what the back end accepts, if it does."""
    behind = _of(tried, Layer.BACK_END)
    # what can't be asked first: a damaged file seems to have no accounts as well
    worst = (Reply.SILENT, Reply.REFUSED)
    failing = next((each for reply in worst for each in behind if each.reply is reply), None)
    front = _of(tried, Layer.POSTFIX)
    refused = [each for each in front if each.reply is not Reply.ACCEPTED]
    if not front:
        return Verdict(False, "It fails at Postfix: a password gets nobody in there.", _NO_AUTH)
    if failing is None:
        return _behind_says_yes(behind, front, refused, why)
    if len(refused) == len(front):
        what = "refuses it" if failing.reply is Reply.REFUSED else "can't be asked"
        return Verdict(False, f"It fails at the back end, which {what}.", failing.why)
    if failing.reply is Reply.SILENT and not refused:
        return Verdict(True, "Postfix accepts it; the back end itself can't be asked.", failing.why)
    accepted = ", ".join(each.where for each in front if each not in refused)
    return Verdict(False, f"The back end does not accept it, but Postfix does: {accepted}.", _PAST_IT)


def _of(tried: Sequence[Tried], layer: Layer) -> list[Tried]:
    return [each for each in tried if each.layer is layer and each.reply is not Reply.UNTRIED]


def _behind_says_yes(behind: list[Tried], front: list[Tried], refused: list[Tried], why: str) -> Verdict:
    if not refused:
        both = "Both layers accept it" if behind else "Postfix accepts it"
        return Verdict(True, f"{both}: this account can log in.")
    count = "everywhere" if len(refused) == len(front) else f"in {len(refused)} of {len(front)} ways"
    known = "the back end accepts it, " if behind else ""
    return Verdict(False, f"It fails at Postfix: {known}Postfix refuses it {count}.", why)


_NO_AUTH = "AUTH is off, or no mechanism for a password is offered: postfix-auth status says more."
_PAST_IT = (
    "That password comes from somewhere else. Mechanisms that saslauthd can't check are looked up in "
    "/etc/sasldb2, past it: see mech_list in smtpd.conf."
)
