"""The command line: the same engine without a screen. Imports what a command needs when it is called."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Protocol

from wizard import asking
from wizard.arguments import parse, parser
from wizard.errors import HostError, PolicyError, WizardError, unforeseen
from wizard.report import message_lines, shown
from wizard.root import Root

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType
    from typing import BinaryIO, NoReturn

    from wizard.applying import Handle
    from wizard.events import Event
    from wizard.policy import Policy
    from wizard.secret import Secret

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
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return _FAILED
    except BrokenPipeError:
        # whoever read our output has seen enough; what is left must not be a traceback
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except Exception as error:  # a traceback would show what the host or the policy holds
        _complain(unforeseen(error))
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


def _complain(text: str) -> None:
    for line in message_lines(f"postfix-auth: {text}", sys.stderr):
        print(line, file=sys.stderr)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(shown(line))
    sys.stdout.flush()  # who follows an apply through a pipe sees each step as it is done


def _as_json(value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # what is no letter or sign stays the same for programs, and does nothing to a terminal
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


# the commands


def _wizard(arguments: argparse.Namespace, root: Root) -> int:  # noqa: ARG001 - one form for all commands
    from screens import terminal  # noqa: PLC0415 - Textual is loaded for the wizard only

    reason = terminal.unusable()
    if reason:
        parser().print_help(sys.stderr)
        _complain(reason)
        return _USAGE
    from screens import app  # noqa: PLC0415

    return app.run(root)


def _status(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import drift, engine, inventory, report, status, unsettled  # noqa: PLC0415

    host = engine.observe(root)
    if arguments.json:
        _as_json(status.as_json(host))
    else:
        from wizard.overview import overview  # noqa: PLC0415

        _print(report.unsettled_lines(unsettled.found(root)))
        _print(report.overview_lines(overview(host)))
        _print(report.drift_lines(drift.drift(root), root))
        print()
        _print(report.inventory_lines(inventory.postfix_parts(host), inventory.sasl_parts(host)))
    return _DONE


def _policy(arguments: argparse.Namespace, root: Root) -> int:  # noqa: ARG001 - one form for all commands
    from wizard import engine, policyfile, report  # noqa: PLC0415

    found = engine.in_force(engine.observe(root))
    _print(report.by_hand_lines(found))
    _print(policyfile.render(found.file).splitlines())
    return _DONE


def _plan(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import engine, policyfile, report  # noqa: PLC0415

    policy = policyfile.load(arguments.policy)
    plan = engine.plan(policy, engine.observe(root))
    if arguments.json:
        _as_json(plan.as_json(root))
    else:
        _print(report.plan_lines(plan, root))
    return _PENDING if plan.pending and arguments.detailed_exitcode else _DONE


def _apply(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import accounthints, applying, engine, policyfile, report  # noqa: PLC0415

    policy = policyfile.load(arguments.policy)
    _must_be_root(root)
    applying.refuse_unsettled(root)
    password = _password(arguments) if arguments.no_test else _password_to_log_in(arguments)
    host = engine.observe(root)
    plan = engine.plan(policy, host)
    if plan.pending and not arguments.no_test:
        accounthints.refuse_shut_out(host, plan.whole.backend, arguments.user)
    if not arguments.yes:
        _print(report.plan_lines(plan, root))
        if not plan.pending:
            return _DONE
        if not asking.agreed("Apply this?"):
            return _DONE
    elif plan.warnings:
        _print(report.warning_lines(plan))
    if not plan.pending:
        print("Nothing to do: the host is as the policy wants it.")
        return _DONE
    handle = applying.start(
        plan,
        root,
        user=arguments.user,
        password=password,
        test=not arguments.no_test,
        confirm=arguments.confirm,
    )
    code = _follow(handle)
    if code == _DONE and (policy.backend or policy.submission or policy.authorization):
        _hand_out(plan.whole, root, arguments.user)
    return code if code or not arguments.confirm else _keep(root)


def _hand_out(policy: Policy, root: Root, user: str) -> None:
    from wizard import engine, report  # noqa: PLC0415
    from wizard.card import card  # noqa: PLC0415

    _print(report.card_lines(card(policy, engine.observe(root), user)))


def _keep(root: Root) -> int:
    """Ask for the confirmation, as long as there is time; with nobody to ask the change stays pending."""
    from wizard import applying, journal  # noqa: PLC0415

    pending = journal.pending(root)
    if pending is None or not sys.stdin.isatty():
        _print(["postfix-auth confirm keeps it"])
        return _DONE
    try:
        answer = asking.before(pending.deadline, "Keep these settings?")
    except KeyboardInterrupt:
        _complain("it is still pending: postfix-auth confirm keeps it, otherwise it is taken back in time")
        return _FAILED
    if answer:
        return _kept(root)
    if answer is not None:
        _follow(applying.roll_back(pending, root))
        return _FAILED
    _complain("nobody has confirmed it in time: taking everything back")
    if applying.wait_until_taken_back(pending, root):
        _complain("everything is as it was before")
    else:
        _complain(f"{pending.id} could not be taken back: postfix-auth rollback {pending.id} says why")
    return _FAILED


def _confirm(arguments: argparse.Namespace, root: Root) -> int:  # noqa: ARG001 - one form for all commands
    _must_be_root(root)
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
    events = rehearsal.rehearse(plan, host, user=arguments.user, password=_password_to_log_in(arguments))
    results, code = [], _FAILED
    telling = report.Telling()
    for event in events:
        if event.result:
            results.append(event.result)
        if event.kind == "finished":
            code = event.number
        elif event.kind == "failed":
            _complain(event.text)
        elif not arguments.json:
            _print(telling.event(event))
    if arguments.json:
        _as_json(checks.as_json(results))
    elif code == _DONE:
        print("Rehearsed: it works. Nothing on this host has been changed.")
    return code


def _rollback(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import applying, journal  # noqa: PLC0415

    _must_be_root(root)
    wanted = journal.newest_down_to(root, arguments.id)
    if not arguments.yes:
        _print(f"{one.id}  {one.summary}" for one in wanted)
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
        _as_json({"checkpoints": told})
    else:
        _print(report.history_lines(listed))
    return _DONE


def _test(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import engine, report, verify  # noqa: PLC0415
    from wizard.checks import as_json  # noqa: PLC0415

    if not root.live:
        raise HostError("--root connects to nothing, so there is nothing to test")
    password = _password_to_log_in(arguments)
    telling = report.Telling()
    show = None if arguments.json else lambda result: _print(telling.result(result))
    results = verify.run(engine.observe(root), user=arguments.user, password=password, on_result=show)
    if arguments.json:
        _as_json(as_json(results))
    else:
        _print([telling.sum()])
    return _DONE if all(result.ok for result in results) else _FAILED


def _explain(arguments: argparse.Namespace, root: Root) -> int:  # noqa: ARG001 - one form for all commands
    from wizard import explain, report  # noqa: PLC0415

    with _log(arguments.file) as source:
        problems = explain.problems_in(source)
    _print(report.problem_lines(problems))
    return _FAILED if problems else _DONE


def _log(file: Path | None) -> BinaryIO:
    if file is None:
        return sys.stdin.buffer
    try:
        return file.open("rb")
    except OSError as error:
        elsewhere = "; without rsyslog it is in the journal: journalctl -S -1h | postfix-auth explain"
        raise PolicyError("FILE", f"{file}: {error.strerror}{elsewhere}") from None


def _user(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import accountplaces, accounts, engine, report  # noqa: PLC0415
    from wizard.accountgroups import Members  # noqa: PLC0415

    _must_be_root(root)
    if arguments.action == "check":
        return _user_check(arguments, root)
    host = engine.observe(root)
    place = engine.accounts(host)
    if arguments.action == "list":
        listed = place.accounts()
        _print(report.account_lines([(str(each), accounts.typed(each, place.realm)) for each in listed]))
        if not listed:
            _complain(accountplaces.trouble(host, place) or place.how_to_begin)
        return _DONE
    if arguments.action == "remove":
        accountplaces.remove(host, place, place.account(arguments.name))
        return _DONE
    account = accountplaces.to_add(host, place, arguments.name)
    if isinstance(place, Members):
        accountplaces.join(host, place, account)
        _print([f"{account} is in the group {place.groups[0]}, and logs in with the password on this host"])
    else:
        password = _password(arguments) or asking.new_password(str(account))
        accountplaces.set_password(host, place, account, password)
        _print([f"{account}: the user name to type is {accounts.typed(account, place.realm)}"])
    return _DONE


def _user_check(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import accountcheck, engine, report  # noqa: PLC0415

    password = _password(arguments) or asking.password(arguments.name)
    host = engine.observe(root)
    found = accountcheck.check(
        host, arguments.name, password, lambda tried: _print(report.tried_lines(tried))
    )
    _print(report.verdict_lines(found))
    return _DONE if found.ok else _FAILED


# what several commands need


def _follow(handle: Handle) -> int:
    """Print what the process that applies tells, until it ends; interrupting this does not stop it."""
    from wizard import report  # noqa: PLC0415

    try:
        return _followed(handle, report.Telling().event)
    except KeyboardInterrupt:
        _complain("this goes on without you; postfix-auth history shows how it ended")
        return _FAILED


def _followed(handle: Handle, told: Callable[[Event], Iterable[str]]) -> int:
    while True:
        ended = handle.finished
        for event in handle.poll():
            if event.kind == "failed":
                _complain(event.text)
            else:
                _print(told(event))
        if ended:
            return _FAILED if handle.exit_code is None else handle.exit_code
        time.sleep(0.05)


def _must_be_root(root: Root) -> None:
    if root.live and os.geteuid() != 0:
        raise HostError("this changes the host: run it as root")


def _password(arguments: argparse.Namespace) -> Secret | None:
    from wizard.passwordfile import read_password_file  # noqa: PLC0415

    return read_password_file(arguments.password_file, "--password-file") if arguments.password_file else None


def _password_to_log_in(arguments: argparse.Namespace) -> Secret | None:
    """Return the password of ``--user``: what the file holds, or what is typed on the terminal."""
    password = _password(arguments)
    if password or not arguments.user:
        return password
    if not sys.stdin.isatty():
        raise PolicyError("--password-file", "must be given with --user, for there is no terminal to ask on")
    return asking.password(arguments.user)


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
    "user": _user,
}


if __name__ == "__main__":
    sys.exit(main())
