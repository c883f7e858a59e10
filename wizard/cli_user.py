"""``postfix-auth user``: the accounts of the back end, and where a login fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard import asking
from wizard.saying import complain, say

if TYPE_CHECKING:
    import argparse

    from wizard.root import Root

_DONE, _FAILED = 0, 1


def run(arguments: argparse.Namespace, root: Root) -> int:
    """Run ``postfix-auth user ACTION`` and return its exit code."""
    from wizard import accountplaces, accounts, engine, report  # noqa: PLC0415
    from wizard.accountgroups import Members  # noqa: PLC0415

    root.refuse_strangers()
    if arguments.action == "check":
        return _check(arguments, root)
    host = engine.observe(root)
    place = engine.accounts(host)
    if arguments.action == "list":
        listed = place.accounts()
        say(report.account_lines([(str(each), accounts.typed(each, place.realm)) for each in listed]))
        if not listed:
            complain(accountplaces.trouble(host, place) or place.how_to_begin)
        return _DONE
    if arguments.action == "remove":
        accountplaces.remove(host, place, place.account(arguments.name))
        return _DONE
    account = accountplaces.to_add(host, place, arguments.name)
    if isinstance(place, Members):
        accountplaces.join(host, place, account)
        say([f"{account} is in the group {place.groups[0]}, and logs in with the password on this host"])
    else:
        password = asking.password_in(arguments.password_file) or asking.new_password(str(account))
        accountplaces.set_password(host, place, account, password)
        say([f"{account}: the user name to type is {accounts.typed(account, place.realm)}"])
    return _DONE


def _check(arguments: argparse.Namespace, root: Root) -> int:
    from wizard import accountcheck, engine, report  # noqa: PLC0415

    password = asking.password_in(arguments.password_file) or asking.password(arguments.name)
    host = engine.observe(root)
    found = accountcheck.check(host, arguments.name, password, lambda tried: say(report.tried_lines(tried)))
    say(report.verdict_lines(found))
    return _DONE if found.ok else _FAILED
