"""The command line: the same engine without a screen. Imports what a command needs when it is called."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Protocol

from wizard import asking, cli_user
from wizard.arguments import parse, parser
from wizard.errors import HostError, PolicyError, WizardError, unforeseen
from wizard.root import Root
from wizard.saying import as_json, complain, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType
    from typing import BinaryIO, NoReturn

    from wizard.applying import Handle
    from wizard.events import Event
    from wizard.policy import Policy

_DONE, _FAILED, _USAGE, _PENDING = 0, 1, 2, 4


class _Command(Protocol):
    def __call__(self, arguments: argparse.Namespace, root: Root) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``postfix-auth ARGS`` and return its exit code (docs/command-line.md lists them)."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    if arguments.command:  # the wizard sees to its own end
        _end_tidily()
    try:
        return _COMMANDS[arguments.command or ""](arguments, Root(arguments.root.resolve()))
    except WizardError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        complain("interrupted")
        return _FAILED
    except BrokenPipeError:
        # whoever read our output has seen enough; what is left must not be a traceback
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except Exception as error:  # a traceback would show what the host or the policy holds
        complain(unforeseen(error))
        return _FAILED


def _end_tidily() -> None:
    """Let a closed terminal end a command as Ctrl-C does: what it has made for itself goes first."""

    def end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - as signal.signal calls it
        for each in ends:
            signal.signal(each, signal.SIG_IGN)  # a shell says it once more while that is under way
        raise KeyboardInterrupt

    ends = [each for each in (signal.SIGHUP, signal.SIGTERM) if signal.getsignal(each) is signal.SIG_DFL]
    for each in ends:
        signal.signal(each, end)


# the commands


def _wizard(arguments: argparse.Namespace, root: Root) -> int:  # noqa: ARG001 - one form for all commands
    from screens import terminal  # noqa: PLC0415 - Textual is loaded for the wizard only

    reason = terminal.unusable()
    if reason:
        parser().print_help(sys.stderr)
        complain(reason)
        return _USAGE
    from screens import app  # noqa: PLC0415

    return app.run(root)


def _status(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import drift, engine, inventory, report, status, unsettled  # noqa: PLC0415

    host = engine.observe(root)
    if arguments.json:
        as_json(status.as_json(host))
    else:
        from wizard.overview import overview  # noqa: PLC0415

        say(report.unsettled_lines(unsettled.found(root)))
        say(report.overview_lines(overview(host)))
        say(report.drift_lines(drift.drift(root), root))
        print()
        say(report.inventory_lines(inventory.postfix_parts(host), inventory.sasl_parts(host)))
    return _DONE


def _policy(arguments: argparse.Namespace, root: Root) -> int:  # noqa: ARG001 - one form for all commands
    from wizard import engine, policyfile, report  # noqa: PLC0415

    found = engine.in_force(engine.observe(root))
    say(report.by_hand_lines(found))
    say(policyfile.render(found.file).splitlines())
    return _DONE


def _plan(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import engine, policyfile, report  # noqa: PLC0415

    policy = policyfile.load(arguments.policy)
    plan = engine.plan(policy, engine.observe(root))
    if arguments.json:
        as_json(plan.as_json(root))
    else:
        say(report.plan_lines(plan, root))
    return _PENDING if plan.pending and arguments.detailed_exitcode else _DONE


def _apply(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import accounthints, applying, engine, policyfile, report  # noqa: PLC0415

    policy = policyfile.load(arguments.policy)
    root.refuse_strangers()
    applying.refuse_unsettled(root)
    user, file = arguments.user, arguments.password_file
    password = asking.password_in(file) if arguments.no_test else asking.password_of(user, file)
    host = engine.observe(root)
    plan = engine.plan(policy, host)
    if plan.pending and not arguments.no_test:
        accounthints.refuse_shut_out(host, plan.whole.backend, user)
    if not arguments.yes:
        say(report.plan_lines(plan, root))
        if not plan.pending:
            return _DONE
        if not asking.agreed("Apply this?"):
            return _DONE
    elif plan.warnings:
        say(report.warning_lines(plan))
    if not plan.pending:
        print("Nothing to do: the host is as the policy wants it.")
        return _DONE
    handle = applying.start(
        plan,
        root,
        user=user,
        password=password,
        test=not arguments.no_test,
        confirm=arguments.confirm,
    )
    code = _follow(handle)
    if code == _DONE and (policy.backend or policy.submission or policy.authorization):
        _hand_out(plan.whole, root, user)
    return code if code or not arguments.confirm else _keep(root)


def _hand_out(policy: Policy, root: Root, user: str) -> None:
    from wizard import engine, report  # noqa: PLC0415
    from wizard.card import card  # noqa: PLC0415

    say(report.card_lines(card(policy, engine.observe(root), user)))


def _keep(root: Root) -> int:
    """Ask for the confirmation, as long as there is time; with nobody to ask the change stays pending."""
    from wizard import applying, journal  # noqa: PLC0415

    pending = journal.pending(root)
    if pending is None or not sys.stdin.isatty():
        say(["postfix-auth confirm keeps it"])
        return _DONE
    try:
        answer = asking.before(pending.deadline, "Keep these settings?")
    except KeyboardInterrupt:
        complain("it is still pending: postfix-auth confirm keeps it, otherwise it is taken back in time")
        return _FAILED
    if answer:
        return _kept(root)
    if answer is not None:
        _follow(applying.roll_back(pending, root))
        return _FAILED
    complain("nobody has confirmed it in time: taking everything back")
    if applying.wait_until_taken_back(pending, root):
        complain("everything is as it was before")
    else:
        complain(f"{pending.id} could not be taken back: postfix-auth rollback {pending.id} says why")
    return _FAILED


def _confirm(arguments: argparse.Namespace, root: Root) -> int:  # noqa: ARG001 - one form for all commands
    root.refuse_strangers()
    return _kept(root)


def _kept(root: Root) -> int:
    from wizard import applying  # noqa: PLC0415

    print(f"{applying.keep(root).id} is kept.")
    return _DONE


def _rehearse(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import accounthints, checks, engine, policyfile, rehearsal, report  # noqa: PLC0415

    policy = policyfile.load(arguments.policy)
    host = engine.observe(root)
    plan = engine.plan(policy, host)
    accounthints.refuse_shut_out(host, plan.whole.backend, arguments.user)
    events = rehearsal.rehearse(
        plan, host, user=arguments.user, password=asking.password_of(arguments.user, arguments.password_file)
    )
    results, code = [], _FAILED
    telling = report.Telling()
    for event in events:
        if event.result:
            results.append(event.result)
        if event.kind == "finished":
            code = event.number
        elif event.kind == "failed":
            complain(event.text)
        elif not arguments.json:
            say(telling.event(event))
    if arguments.json:
        as_json(checks.as_json(results))
    elif code == _DONE:
        print("Rehearsed: it works. Nothing on this host has been changed.")
    return code


def _rollback(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import applying, journal  # noqa: PLC0415

    root.refuse_strangers()
    wanted = journal.newest_down_to(root, arguments.id)
    if not arguments.yes:
        say(f"{one.id}  {one.summary}" for one in wanted)
        if not asking.agreed("Take this back?"):
            return _DONE
    # the newest first: each has left what the one after it began with
    *newer, oldest = wanted
    return _follow(applying.roll_back(oldest, root, *newer, set_aside=arguments.set_aside))


def _history(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import journal, report  # noqa: PLC0415

    listed = journal.checkpoints(root)
    if arguments.json:
        told = [
            {"id": c.id, "time": c.time, "summary": c.summary, "state": c.state, "notes": c.notes}
            for c in listed
        ]
        as_json({"checkpoints": told})
    else:
        say(report.history_lines(listed))
    return _DONE


def _test(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import checks, engine, report, verify  # noqa: PLC0415

    if not root.live:
        raise HostError("--root connects to nothing, so there is nothing to test")
    password = asking.password_of(arguments.user, arguments.password_file)
    telling = report.Telling()
    show = None if arguments.json else lambda result: say(telling.result(result))
    results = verify.run(engine.observe(root), user=arguments.user, password=password, on_result=show)
    if arguments.json:
        as_json(checks.as_json(results))
    else:
        say([telling.sum()])
    return _DONE if all(result.ok for result in results) else _FAILED


def _explain(arguments: argparse.Namespace, root: Root) -> int:  # noqa: ARG001 - one form for all commands
    from wizard import explain, report  # noqa: PLC0415

    with _log(arguments.file) as source:
        problems = explain.problems_in(source)
    say(report.problem_lines(problems))
    return _FAILED if problems else _DONE


def _log(file: Path | None) -> BinaryIO:
    if file is None:
        return sys.stdin.buffer
    try:
        return file.open("rb")
    except OSError as error:
        elsewhere = "; without rsyslog it is in the journal: journalctl -S -1h | postfix-auth explain"
        raise PolicyError("FILE", f"{file}: {error.strerror}{elsewhere}") from None


# what several commands need


def _follow(handle: Handle) -> int:
    """Print what the process that applies tells, until it ends; interrupting this does not stop it."""
    from wizard import report  # noqa: PLC0415

    try:
        return _followed(handle, report.Telling().event)
    except KeyboardInterrupt:
        complain("this goes on without you; postfix-auth history shows how it ended")
        return _FAILED


def _followed(handle: Handle, told: Callable[[Event], Iterable[str]]) -> int:
    while True:
        ended = handle.finished
        for event in handle.poll():
            if event.kind == "failed":
                complain(event.text)
            else:
                say(told(event))
        if ended:
            return _FAILED if handle.exit_code is None else handle.exit_code
        time.sleep(0.05)


_COMMANDS: Mapping[str, _Command] = {
    "": _wizard,
    "status": _status,
    "policy": _policy,
    "plan": _plan,
    "apply": _apply,
    "rehearse": _rehearse,
    "test": _test,
    "explain": _explain,
    "history": _history,
    "rollback": _rollback,
    "confirm": _confirm,
    "user": cli_user.run,
}


if __name__ == "__main__":
    sys.exit(main())
