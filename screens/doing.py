"""What the engine is asked to do once the last yes was given. All of it takes a while: for workers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from screens import typed_passwords
from screens.previewing import planned
from wizard import accounthints, accountplaces, accounts, applying, engine, logtail, rehearsal, verify
from wizard.choices import owns_accounts
from wizard.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from screens.answers import Answers, NewAccount, Situation
    from wizard.applying import Handle
    from wizard.checks import Check, Result
    from wizard.events import Event
    from wizard.logtail import Follower
    from wizard.plan import Plan

_TO_CONFIRM = 120  # seconds; time enough to try a login from elsewhere


def start(situation: Situation, answers: Answers) -> Handle:
    """Start what was reviewed; on a live host it then waits for a yes.

    Raises:
        HostError: when the host is no longer what was reviewed, or something else is at work.
        PolicyError: when the account to test with could not log in.
        WizardError: when it can't be started.

    """
    root = situation.host.root
    plan = planned(situation, answers.asked, answers)
    if tuple(change.diff(root) for change in plan.changes) != answers.reviewed:
        raise HostError("this host has changed since the review, nothing was done: go back and look again")
    accounthints.refuse_shut_out(situation.host, plan.whole.backend, answers.user)
    plan = replace(plan, whole=typed_passwords.named(plan.whole, answers.passwords))
    confirm = _TO_CONFIRM if root.live else 0
    return applying.start(plan, root, user=answers.user, password=answers.password, confirm=confirm)


def rehearse(plan: Plan, situation: Situation, answers: Answers) -> Iterator[Event]:
    """Apply and test ``plan`` in a shadow of this host; leaving off early ends it.

    Raises:
        HostError: when there can be no shadow here.
        PolicyError: when the account to test with could not log in.

    """
    accounthints.refuse_shut_out(situation.host, plan.whole.backend, answers.user)
    return rehearsal.rehearse(plan, situation.host, user=answers.user, password=answers.password)


def resume(situation: Situation) -> Handle:
    """Follow what is at work on this host, or waits for a yes, from its beginning.

    Raises:
        HostError: when it is over.

    """
    root = situation.host.root
    found = applying.unfinished(root) or applying.waiting(root)
    if found is None:
        raise HostError("what was at work here has come to its end")
    return found


def keep(situation: Situation) -> None:
    """Keep what waits for it.

    Raises:
        WizardError: when it is too late.

    """
    applying.keep(situation.host.root)


def undo(situation: Situation, handle: Handle) -> Handle:
    """Start to take back what ``handle`` did."""
    return applying.roll_back(handle.checkpoint, situation.host.root)


def to_make(answers: Answers) -> tuple[NewAccount, ...]:
    """Return the accounts that are to be made; those typed for a back end that was left since are not."""
    backend = answers.policy.backend
    return answers.accounts if backend and owns_accounts(backend) else ()


def make_accounts(situation: Situation, wanted: Sequence[NewAccount]) -> Iterator[str]:
    """Make the ``wanted`` accounts, and yield the name of each that is made.

    Raises:
        WizardError: when one can't be made.

    """
    if not wanted:
        return
    host = engine.observe(situation.host.root)
    sasldb = accounts.of(host)
    for new in wanted:
        accountplaces.set_password(host, sasldb, sasldb.account(new.name), new.password)
        yield new.name


def test(
    situation: Situation,
    answers: Answers,
    on_checks: Callable[[tuple[Check, ...]], None],
    on_result: Callable[[Result], None],
) -> None:
    """Test the live server.

    Raises:
        WizardError: when it can't be tested.

    """
    root = situation.host.root
    if not root.live:
        raise HostError("a tree below --root runs nothing, so there is nothing to test")
    host = engine.observe(root)
    verify.run(host, user=answers.user, password=answers.password, on_checks=on_checks, on_result=on_result)


def log(situation: Situation) -> Follower:
    """Follow the mail log from now on."""
    host = situation.host
    where = host.postfix.value("maillog_file") if host.postfix else ""
    return logtail.Follower(logtail.discover(host.root, where), host.root)
