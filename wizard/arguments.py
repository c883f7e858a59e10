"""The command line's grammar: commands, their arguments, the words of ``--help``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_WAIT = 86400  # seconds


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; ``command`` is the command's name, empty: the wizard. Bad usage ends it all."""
    return parser().parse_args(argv)


def _seconds(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= _LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"a number of seconds from 1 to {_LONGEST_WAIT}, not {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    main = argparse.ArgumentParser(
        prog="postfix-auth",
        description="Sets up authenticated mail submission with Postfix. Without a command: the wizard.",
    )
    main.add_argument("--version", action="version", version=f"postfix-auth {__version__}")
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument(
        "--root",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="work on the tree under DIR; start and connect to nothing",
    )
    main.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="see the commands")
    main.set_defaults(command="")
    commands = main.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    def add(name: str, about: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=about, description=about, parents=[everywhere])

    status = add("status", "what this host is, and the policy in force in short")
    add("policy", "the policy in force, as a policy file")
    plan = add("plan", "what apply would do: diffs and commands; changes nothing")
    apply = add("apply", "do it, test it, and take it back if that fails")
    rehearse = add("rehearse", "apply and test it in a shadow of this host")
    test = add("test", "the AUTH, STARTTLS and relay tests against the live server")
    explain = add("explain", "the problems in a mail log, with cause and remedy")
    history = add("history", "past changes")
    rollback = add("rollback", "take one or the last change back")
    add("confirm", "keep the change that waits for a confirmation")
    user = add("user", "accounts: list, add, remove, check")

    for made in (plan, apply, rehearse):
        made.add_argument("-p", "--policy", type=Path, required=True, metavar="FILE", help="the policy file")
    for made in (status, plan, rehearse, test, history):
        made.add_argument("--json", action="store_true", help="for programs")
    plan.add_argument("--detailed-exitcode", action="store_true", help="exit 4 with changes pending")
    for made in (apply, rollback):
        made.add_argument("--yes", action="store_true", help="don't ask")
    apply.add_argument(
        "--confirm",
        type=_seconds,
        default=0,
        metavar="SECONDS",
        help="take it back unless it is confirmed within so many seconds",
    )
    apply.add_argument("--no-test", action="store_true", help="don't test afterwards")
    for made in (apply, rehearse, test):
        made.add_argument("--user", default="", metavar="NAME", help="an account to log in with")
    actions = user.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[everywhere], help="name them, and what to type as user name")
    add_user = actions.add_parser(
        "add", parents=[everywhere], help="make one, give it a new password, or let a system's user in"
    )
    check_user = actions.add_parser("check", parents=[everywhere], help="log in with it, at both layers")
    for made in (
        add_user,
        check_user,
        actions.add_parser("remove", parents=[everywhere], help="take one out"),
    ):
        made.add_argument("name", metavar="NAME")
    for made in (apply, rehearse, test, add_user, check_user):
        made.add_argument("--password-file", type=Path, metavar="FILE", help="its password, one line")
    explain.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="a mail log; without: standard input"
    )
    rollback.add_argument(
        "id", nargs="?", default="", metavar="ID", help="as history shows it; without: the last"
    )
    rollback.add_argument(
        "--set-aside",
        action="store_true",
        help="keep what others have edited in the same lines as FILE.postfix-auth-saved, and go on",
    )
    return main
