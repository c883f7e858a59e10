"""The directory's own side of ldapdb: who the proxy is, and whom it may become; set up here, or shown.

Source: OpenLDAP Administrator's Guide, "Using SASL": "Mapping Authentication Identities" and "SASL Proxy
Authorization"; slapd-config(5), slapd.conf(5). An authz-policy or authz-regexp that is there is kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from wizard import ours, services, slapd
from wizard.changes import SetValues
from wizard.errors import HostError, PolicyError
from wizard.policy import AuxpropLdapdb
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recipes.ldapdb_directory import Directory
    from wizard.changes import RestoreValues
    from wizard.root import Root
    from wizard.steps import Step, Wanted

_KEY = "backend.configure"
_LETS_SPEAK = ("to", "any", "both")
_IN_THE_WAY = ("from", "all")


def configured(backend: AuxpropLdapdb, directory: Directory, root: Root, *, mapped: bool) -> Iterator[Step]:
    """Yield what lets the proxy speak for the users. ``mapped``: slapd knows already who the proxy is.

    Raises:
        PolicyError: when it can't be set up from here, or would let others do what they must not.

    """
    _refuse(backend, directory, mapped=mapped)
    changes = tuple(_changes(backend, directory, mapped=mapped))
    if not changes:
        raise PolicyError(
            _KEY,
            f"slapd has all that it would be told, and still does not let {backend.id} speak for others: see "
            'its log, and whether its access rules let everybody "auth" by uid and userPassword',
        )
    yield from changes
    yield from _powerful(backend, directory)
    proxy = directory.proxy(backend.id)
    others = (way for way in ours.in_slapd(root) if way.attribute == "authzTo" and way.entry != proxy)
    yield from _taken_back(others)


def _changes(backend: AuxpropLdapdb, directory: Directory, *, mapped: bool) -> Iterator[SetValues]:
    """Yield what is missing, that which opens the door last."""
    proxy, found = directory.proxy(backend.id), directory.slapd
    if found and not slapd.may_write(slapd.ROOT, proxy, "authzTo"):
        rules = slapd.values(directory.database, "olcAccess")
        why = f"lets root of this host write authzTo of {proxy}, and nothing else"
        first = f'to dn.base="{proxy}" attrs=authzTo by dn.exact={slapd.ROOT} manage by * break'
        yield SetValues(directory.database, "olcAccess", rules, (first, *rules), reason=why)
    if not mapped:
        regexps = found.regexps if found else ()
        why = f"leads {backend.mechanism} logins to entries, by uid or mail (slapd-config(5), olcAuthzRegexp)"
        yield SetValues(
            slapd.CONFIG,
            "olcAuthzRegexp",
            regexps,
            (*regexps, " ".join(_regexp(backend, directory))),
            reason=why,
        )
    allowed = slapd.values(proxy, "authzTo") if found else ()
    missing = [rule for rule in _allowed(backend, directory, some=bool(allowed)) if rule not in allowed]
    if missing:
        why = f"whom {backend.id} may speak for: users, and names without an entry, so that it hears of that"
        yield SetValues(proxy, "authzTo", allowed, (*allowed, *missing), reason=why)
    policy = found.policy if found else "none"  # if it is none, it may be said so
    if policy not in (*_LETS_SPEAK, *_IN_THE_WAY):
        before = (policy,) if policy else ()
        yield SetValues(slapd.CONFIG, "olcAuthzPolicy", before, ("to",), reason="lets authzTo count")


def _name(backend: AuxpropLdapdb, user: str) -> str:
    """Return slapd's name for ``user``, a pattern, who logs in; some mechanisms give a realm too."""
    return f"uid={user},(cn=[^,]+,)?cn={backend.mechanism.lower()},cn=auth"


def _regexp(backend: AuxpropLdapdb, directory: Directory) -> tuple[str, str]:
    suffix = quote(directory.suffix, safe="=,+")
    return _name(backend, "([^,]+)"), f"ldap:///{suffix}??sub?(|(uid=$1)(mail=$1))"


def _allowed(backend: AuxpropLdapdb, directory: Directory, *, some: bool) -> tuple[str, ...]:
    """Return what authzTo has to hold; ``some``: the admin has said already which users."""
    unknown = f"dn.regex:^{_name(backend, '[^,]+')}$"
    return (unknown,) if some else (*directory.people, unknown)


def _refuse(backend: AuxpropLdapdb, directory: Directory, *, mapped: bool) -> None:
    found, must = directory.slapd, "must be false"
    if found is None:
        told = loadable(backend, directory)
        raise PolicyError(_KEY, f"{must}: {directory.why}. What has to be loaded there:\n{told}")
    if not services.installed("ldapmodify"):
        raise PolicyError(_KEY, f"{must}, as long as there is no ldapmodify: apt install ldap-utils")
    if not directory.proxies:
        raise PolicyError("backend.id", f"nobody below {directory.suffix} has the uid {backend.id}")
    if len(directory.proxies) > 1:
        raise PolicyError(
            "backend.id", f"can't be told apart: {' and '.join(directory.proxies)} have that uid"
        )
    if found.policy in _IN_THE_WAY:
        raise PolicyError(
            _KEY,
            f'{must}: olcAuthzPolicy is "{found.policy}" here and is kept, so authzFrom of each user has to '
            f'name {directory.proxies[0]}; "any" would let its authzTo count too',
        )
    if not mapped and (first := _leading_elsewhere(backend, found.regexps)):
        raise PolicyError(
            _KEY,
            f"{must}: this olcAuthzRegexp takes {backend.id} and does not lead to {directory.proxies[0]}; "
            f"it is kept, so put it right, or ours before it: {first}",
        )
    _refuse_self_service(directory)


def _leading_elsewhere(backend: AuxpropLdapdb, regexps: Iterable[str]) -> str:
    """Return the rule of those that are there which slapd goes by, for the first that fits is the one."""
    name = f"uid={backend.id},cn={backend.mechanism.lower()},cn=auth"
    for rule in regexps:
        pattern = rule.split(" ")[0].strip('"')
        try:
            if re.search(pattern, name, re.IGNORECASE):
                return rule
        except re.error:
            continue
    return ""


def _refuse_self_service(directory: Directory) -> None:
    """See to it that nobody can give authzTo to himself: it is about to mean something."""
    found = directory.slapd
    somebody = directory.person or f"uid=somebody,{directory.suffix}"
    if found and found.policy not in _LETS_SPEAK and slapd.may_write(somebody, somebody, "authzTo"):
        raise PolicyError(
            _KEY,
            "must be false: slapd's access rules let users write authzTo into their own entry, and with it "
            "they could become anybody. Put before these rules: to attrs=authzTo by * read",
        )


def _powerful(backend: AuxpropLdapdb, directory: Directory) -> Iterator[Note]:
    patterns = [rule.removeprefix("dn.regex:") for rule in directory.people]
    if any(re.search(pattern, directory.root_dn, re.IGNORECASE) for pattern in patterns):
        yield Note(
            f"{backend.id} may speak for {directory.root_dn} too, for that is named as users are: whoever "
            "reads smtpd.conf can change the directory; narrow authzTo down"
        )


def loadable(backend: AuxpropLdapdb, directory: Directory, *, mapped: bool = False) -> str:
    """Return what lets the proxy speak for the users, ready to load, in both of slapd's forms."""
    unknown = directory.slapd is None
    # only we need access rules changed: the directory's own administrator may write authzTo
    changes = [
        change
        for change in _changes(backend, directory, mapped=mapped and not unknown)
        if change.attribute != "olcAccess"
    ]
    config = [change.ldif for change in changes if change.entry.endswith(slapd.CONFIG)]
    entries = [change.ldif for change in changes if not change.entry.endswith(slapd.CONFIG)]
    pattern, where = _regexp(backend, directory)
    lines: list[str] = []
    for command, records in (
        ("ldapmodify -Y EXTERNAL -H ldapi:///", config),
        (f"ldapmodify -x -W -D '{directory.root_dn}'", entries),
    ):
        if records:
            lines += [f"{command} <<'END'", *"\n".join(records).splitlines(), "END"]
    if directory.slapd and directory.slapd.policy in _IN_THE_WAY:
        lines += [f'olcAuthzPolicy is "{directory.slapd.policy}" here; it has to be "any", or "to"']
    if unknown:
        lines += ["Where slapd is configured by slapd.conf, instead of the first command, and a restart:"]
        lines += ["authz-policy to", f'authz-regexp "{pattern}" "{where}"']
    return "\n".join(f"  {line}" if line else "" for line in lines)


# the way back


def leave(wanted: Wanted) -> Iterator[Step]:
    """Yield what takes back, with another back end, what slapd was told here, or say what is left of it."""
    root = wanted.host.root
    if not isinstance(wanted.policy.backend, AuxpropLdapdb) and root.live and slapd.installed():
        yield from _taken_back(reversed(ours.in_slapd(root)))


def _taken_back(ways: Iterable[RestoreValues]) -> Iterator[Step]:
    for way in ways:
        target = f"{way.attribute} of {way.entry}"
        try:
            now = slapd.values(way.entry, way.attribute)
        except HostError as error:
            yield Note(f"{target} has what was set for ldapdb; it stays, for {error}")
            continue
        if now == way.after:
            why = "nobody logs in there any more who needs it"
            yield SetValues(way.entry, way.attribute, now, way.before, reason=why)
        elif now != way.before:
            yield Note(f"{target} was set for ldapdb and was changed by somebody else since; it stays")
