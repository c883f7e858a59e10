"""Who of the system's users may send: pam_listfile in /etc/pam.d/smtp (pam_listfile(8)).

saslauthd asks PAM for the service ``smtp``; without that file PAM takes /etc/pam.d/other, which on Debian
lets every system user in.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from recipes.backend import asked
from wizard.changes import CreateGroup, DeleteGroup, WriteFile, WriteLast
from wizard.errors import HostError
from wizard.formats import pamd
from wizard.ours import Kind
from wizard.policy import SaslauthdPam
from wizard.steps import Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.formats.pamd import Rule
    from wizard.host import Host
    from wizard.steps import Step, Wanted

SERVICE = "/etc/pam.d/smtp"
GROUPS = "/etc/security/smtp.groups"
_LIST_ARGUMENTS = ("onerr=fail", "item=group", "sense=allow", f"file={GROUPS}")


def steps(wanted: Wanted, backend: SaslauthdPam) -> Iterator[Step]:
    """Yield groups, list file and PAM service for ``allowed_groups``; none allowed means no restriction."""
    host, groups = wanted.host, backend.allowed_groups
    found, path = read(host), _list_path(host)
    wrong = ""
    if wanted.given.backend:
        wrong = _misread(host)
        yield from _groups(host, groups)
    if found == groups and not wrong:
        return
    if not groups and not found:
        yield Note(f"set by hand: {wrong}; kept")
        return
    if not groups and path != GROUPS:
        yield Note(f"set by hand: only members of the groups in {path} may log in ({SERVICE}); kept")
        return
    if groups:
        if _look(host, path) == stat.S_IFLNK:
            raise HostError(f"{wrong}; put the list itself there first")
        current = host.read(path)
        comments = [line for line in _lines(current) if line.startswith("#")]
        wish = "".join(f"{line}\n" for line in (*comments, *groups)).encode()
        yield WriteFile(
            path,
            before=current,
            after=wish,
            owner="root",
            group="root",
            mode=0o644,
            reason="the groups whose members may log in",
        )
        yield from _restricted(host)
    else:
        yield from _opened(host, "every system user may log in again")


def _groups(host: Host, groups: tuple[str, ...]) -> Iterator[Step]:
    """Yield the groups that are missing; one that the host has from a directory (nsswitch.conf(5)) is not."""
    for group in groups:
        if host.members(group) is None and not (host.root.live and host.group_id(group) is not None):
            yield CreateGroup(group, reason="only its members may log in to send mail")
            yield Note(f"the group {group} is new, and so empty: usermod -aG {group} NAME lets NAME in")


_FRESH = (
    "# who may log in to send mail: saslauthd asks for the service smtp\n"
    f"auth required pam_listfile.so {' '.join(_LIST_ARGUMENTS)}\n"
    "@include common-auth\n@include common-account\n"
).encode()


def _restricted(host: Host) -> Iterator[Step]:
    """Yield what lets PAM look at the list."""
    text = host.read(SERVICE)
    if text is None:
        why = "asks for a password and for membership in an allowed group"
        yield WriteFile(
            SERVICE, before=None, after=_FRESH, owner="root", group="root", mode=0o644, reason=why
        )
    elif _restriction(host) is None:
        add = pamd.AddRule("auth", "required", "pam_listfile.so", _LIST_ARGUMENTS, index=0)
        yield Edit(SERVICE, add, "asks for membership in an allowed group first")


def _opened(host: Host, why: str) -> Iterator[Step]:
    """Yield what takes rule and list away, and the whole service if it is ours.

    They go last: until saslauthd and smtpd have their new files, these say who may come in.
    """
    text, rule, listed = host.read(SERVICE), _restriction(host), host.read(GROUPS)
    if rule:
        drop = pamd.DropRule(rule.type, rule.control, rule.module, rule.args)
        ours = text == _FRESH and host.made.has(Kind.PATH, SERVICE)
        left = None if ours else pamd.edit(SERVICE, text or b"", [drop])
        yield WriteLast(SERVICE, before=text, after=left, reason=why)
    if listed is not None:
        yield WriteLast(GROUPS, before=listed, after=None, reason=why)


def leave(wanted: Wanted) -> Iterator[Step]:
    """Yield what takes the restriction away once nobody asks PAM, and our groups that nobody is in."""
    host, backend = wanted.host, wanted.policy.backend
    allowed = backend.allowed_groups if isinstance(backend, SaslauthdPam) else ()
    for kind, group in sorted(host.made.things):
        if kind is Kind.GROUP and group not in allowed and host.members(group) is not None:
            yield from _leave_group(host, group)
    if isinstance(backend, SaslauthdPam) or _restriction(host) is None:
        return
    if _ours(host):
        yield from _opened(host, "nobody asks PAM any more")
    elif asked(host) == "saslauthd" and host.saslauthd.mechanism == "pam":
        yield Note(f"set by hand: {SERVICE} lets members of some groups in only; nobody asks it now; kept")


def _leave_group(host: Host, group: str) -> Iterator[Step]:
    if members := host.members(group):
        yield Note(f"the group {group} lets nobody in any more; kept: {', '.join(sorted(members))}")
    else:
        yield DeleteGroup(group, reason="it was made for who may send, and nobody is in it")


def _ours(host: Host) -> bool:
    """Whether the restriction came with an earlier change: the list did, and the service had none before."""
    first = host.made.first.get(SERVICE)
    before = _restricting(first) if first is not None else None
    return host.made.has(Kind.PATH, GROUPS) and _list_path(host) == GROUPS and before is None


def _restriction(host: Host) -> Rule | None:
    text = host.read(SERVICE)
    return _restricting(text) if text is not None else None


def _restricting(text: bytes) -> Rule | None:
    """Return the rule that lets members of listed groups in only: ours, or one that somebody made by hand."""
    listed = (rule for rule in pamd.read(SERVICE, text) if rule.module.endswith("pam_listfile.so"))
    return next((rule for rule in listed if {"item=group", "sense=allow"}.issubset(rule.args)), None)


def _list_path(host: Host) -> str:
    """Return the file that names the groups, or where it is to be made."""
    rule = _restriction(host)
    named = (word.removeprefix("file=") for word in (rule.args if rule else ()) if word.startswith("file=/"))
    return next(named, GROUPS)


def _lines(text: bytes | None) -> list[str]:
    """Return the lines as pam_listfile has them: only what ends them is cut off."""
    lines = (text or b"").decode("utf-8", "replace").split("\n")
    return [found for line in lines if (found := line.partition("\r")[0])]


def _listed(host: Host) -> list[str]:
    """Return the groups in the list; a comment is to pam_listfile a group that nobody is in."""
    return [line for line in _lines(host.read(_list_path(host))) if not line.lstrip().startswith("#")]


def read(host: Host) -> tuple[str, ...]:
    """Return the allowed groups in force; empty: every user. Where PAM reads others, ``misread`` says so."""
    if _restriction(host) is None:
        return ()
    return tuple(name for line in _listed(host) if (name := line.strip()))


def misread(host: Host) -> str:
    """Say what PAM makes of the list while smtpd's passwords go there, if not what it says; empty: just that.

    Raises:
        ParseError: when smtpd.conf can't be read.

    """
    return _misread(host) if asked(host) == "saslauthd" and host.saslauthd.mechanism == "pam" else ""


def _misread(host: Host) -> str:
    """Compare the list with what pam_listfile(8) wants: no blanks, no link, no right to write for others."""
    rule, path = _restriction(host), _list_path(host)
    if rule is None:
        return ""
    nobody = f"so {SERVICE} lets nobody in"
    kind = _look(host, path)
    if kind is None:
        opens = "onerr=succeed" in rule.args
        return (
            f"{path}, the list of groups, is missing, so {SERVICE} lets {'every' if opens else 'no'}body in"
        )
    if kind == stat.S_IFLNK:
        return f"{path}, the list of groups, is a link, which pam_listfile refuses, {nobody}"
    found = host.metadata(path)
    if found and found.mode & stat.S_IWOTH:
        return f"{path}, the list of groups, is writable for all, which pam_listfile refuses, {nobody}"
    listed = _listed(host)
    if not any(map(str.strip, listed)):
        return f"{path} lists no group, {nobody}"
    blank = [line for line in listed if line.strip() != line]
    return (
        f"{path}: PAM takes the blanks around a name as part of it, so {blank[0]!r} is no group"
        if blank
        else ""
    )


def _look(host: Host, path: str) -> int | None:
    """Return the kind of what is at ``path``, a link not followed; None: nothing."""
    try:
        return stat.S_IFMT(host.root.path(path).lstat().st_mode)
    except OSError:
        return None
