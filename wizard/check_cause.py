"""Why a log-in went as it did: what the log and the back end itself know beyond the server's 535.

A back end that is down and one that knows no such user are the same 535 to the client (RFC 4954, section 6).
So a refusal is believed only beside a log-in that was tried with the right password, or if no line of the log
says that nobody could be asked; and who refused the right password is asked, once, without Postfix.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import recipes
from wizard import check_words as words
from wizard.accountverdict import Reply
from wizard.check_probes import NOBODY
from wizard.check_targets import SHADOW
from wizard.errors import WizardError
from wizard.sasl_client import PLAINTEXT

if TYPE_CHECKING:
    from wizard.check_log import RunLog
    from wizard.checks import Account, Result
    from wizard.host import Host


class Causes:
    """Judges the results of one run of tests on ``host``, in the order in which they come."""

    def __init__(self, host: Host, account: Account | None, log: RunLog) -> None:
        self._host, self._account, self._log = host, account, log

    def judged(self, result: Result) -> Result:
        """Return ``result`` with all that is known of why it failed, or failed if it proves nothing."""
        if result.ok:
            return self._doubted(result) if result.check.refuses and not result.skipped else result
        told = self._log.explained(result)
        return self._as_the_back_end_says(told) if result.check.admits and _is_refusal(result) else told

    def _doubted(self, result: Result) -> Result:
        """Return a refusal as failed if the log says that nobody at all could get in."""
        # with an account the right password tells; in a rehearsal no server of others can be asked
        if self._account or self._host.exists(SHADOW):
            return result
        if not self._log.faults(result, NOBODY):
            return result
        return self._log.explained(replace(result, ok=False, explanation=words.REFUSES_EVERYBODY))

    def _as_the_back_end_says(self, result: Result) -> Result:
        said = self._said
        if said is None:
            return result
        if said:
            faults = self._log.faults(result, self._account.user if self._account else "")
            causes = tuple(cause for cause in faults if cause not in said)
            return replace(result, explanation=said, causes=causes)
        if result.check.title.partition(",")[0] not in PLAINTEXT:
            return result  # saslauthd, for one, can't be asked by it
        return replace(result, explanation=words.ACCEPTED_BEHIND)

    @cached_property
    def _said(self) -> str | None:
        """What the back end itself says to the account: empty if it takes it, None if it can't be asked."""
        from wizard import accountbackend  # noqa: PLC0415 - only where a log-in failed

        if self._account is None:
            return None
        backend = recipes.read(self._host).backend
        user, password = self._account.user, self._account.password
        try:
            asked = tuple(accountbackend.ask(self._host, backend, user, password, self._log))
        except WizardError:
            return None
        known = [each for each in asked if each.reply is not Reply.UNTRIED]
        if not known:
            return None
        return next((each.why or each.said for each in known if each.reply is not Reply.ACCEPTED), "")


def _is_refusal(result: Result) -> bool:
    """Whether a password was refused, and not a mechanism that nothing serves."""
    return result.observed.startswith("535 ") and "no mechanism" not in result.observed.lower()
