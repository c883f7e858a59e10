"""Mail that leaves through one relay host, with user and password (SASL_README, "Enabling SASL
authentication in the Postfix SMTP/LMTP client"; TLS_README, client levels).
"""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.changes import BuildTable, WriteFile
from wizard.changes.tables import SUFFIXES
from wizard.errors import PolicyError
from wizard.formats import maincf, mastercf, table
from wizard.host import MAIN_CF, MASTER_CF
from wizard.passwordfile import read_password_file
from wizard.policy import Smarthost, SmarthostTls
from wizard.steps import Act, Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.postfix import Postfix, Service
    from wizard.steps import Step, Wanted

_TABLE = "/etc/postfix/sasl_passwd"
_ONE_HOST = re.compile(r"\[([^\[\]]+)\](?::([0-9]{1,5}|[a-z]+))?")
_NAMED_PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465}  # services(5)
_WRAPPED_PORTS = (465, 2465, 8465)  # TLS from the start (RFC 8314; the others are providers' habits)
_VERIFIED = (SmarthostTls.VERIFY, SmarthostTls.SECURE)
_OPPORTUNISTIC = (SmarthostTls.NONE, SmarthostTls.MAY)
_FILES = ("hash", "btree", "lmdb", "cdb", "texthash")  # tables that are made of one file of text


def steps(wanted: Wanted) -> Iterator[Step]:
    """Yield relayhost, TLS level and, with a user, the password table."""
    smarthost = wanted.given.smarthost
    if smarthost is None:
        return
    postfix = wanted.postfix
    if smarthost.user:
        yield from _password(wanted, smarthost)
    parameters = tuple(_parameters(wanted, smarthost))
    changing = {name for name, value, _ in parameters if postfix.value(name) != value}
    for name, value, why in parameters:
        current = level(postfix) if name == "smtp_tls_security_level" else postfix.value(name)
        # one that follows another, as smtp_sasl_tls_security_options does, would change with it
        follows = any(f"${other}" in postfix.parameters.get(name, "") for other in changing)
        if postfix.knows(name) and (current != value or follows):
            yield Edit(MAIN_CF, maincf.SetParameter(name, value), why)
        for service in _clients(postfix):
            if service.options.get(name, value) != value:
                yield Edit(MASTER_CF, mastercf.SetOption(service.name, service.type, name, value), why)
    yield from _warnings(wanted)


def relayhost(smarthost: Smarthost) -> str:
    """Return it as Postfix wants it: brackets keep it from looking for MX records."""
    return f"[{smarthost.host}]:{smarthost.port}"


def nexthop(wanted: Wanted, smarthost: Smarthost) -> str:
    """Return the same as it is on the host already, where port 25 may be left out."""
    current = wanted.postfix.value("relayhost")
    return current if _split(current) == (smarthost.host, smarthost.port) else relayhost(smarthost)


def _split(relay: str) -> tuple[str, int] | None:
    """``[host]`` or ``[host]:port``, a number or a name; None: it is of another form."""
    found = _ONE_HOST.fullmatch(relay)
    port = found[2] or "smtp" if found else ""
    number = int(port) if port.isdigit() else _NAMED_PORTS.get(port)
    return (found[1], number) if found and number else None


def _clients(postfix: Postfix) -> tuple[Service, ...]:
    """Return the SMTP clients that mail for elsewhere leaves by; others somebody made for a purpose."""
    return (*postfix.services_at("smtp", "unix"), *postfix.services_at("relay", "unix"))


def _parameters(wanted: Wanted, smarthost: Smarthost) -> Iterator[tuple[str, str, str]]:
    wrapped = smarthost.port in _WRAPPED_PORTS
    level = smarthost.tls
    if wrapped and level in _OPPORTUNISTIC:
        raise PolicyError(
            "smarthost.tls", f'port {smarthost.port} is TLS from the start, which needs "encrypt" or stronger'
        )
    yield "relayhost", nexthop(wanted, smarthost), "all mail for elsewhere goes through the relay host"
    yield "smtp_tls_security_level", level.value, f"TLS towards the relay host: {level.value}"
    yield "smtp_tls_wrappermode", "yes" if wrapped else "no", f"port {smarthost.port}"
    if level in _VERIFIED:
        yield (
            "smtp_tls_CAfile",
            smarthost.ca_file,
            "who may vouch for the relay host; the built-in default is nobody",
        )
    if level not in _OPPORTUNISTIC:
        yield "tls_required_enable", "no", "a header in a message must not lower the level"
    if level is SmarthostTls.DANE:
        yield "smtp_dns_support_level", "dnssec", "DANE rests on DNSSEC"
    if smarthost.user:
        yield "smtp_sasl_auth_enable", "yes", "logs in to the relay host"
        yield "smtp_sasl_password_maps", f"{_kind(wanted)}:{_table(wanted)}", "where user and password are"
        clear = "noanonymous" if level is SmarthostTls.NONE else "noanonymous, noplaintext"
        yield "smtp_sasl_security_options", clear, "no password in clear text"
        yield "smtp_sasl_tls_security_options", "noanonymous", "inside TLS, PLAIN and LOGIN are fine"
        verified = "smtp_sasl_tls_verified_security_options"  # follows the one above, if it is not set
        if verified in wanted.postfix.explicit:
            yield verified, "noanonymous", "inside TLS, PLAIN and LOGIN are fine"
    else:
        yield "smtp_sasl_auth_enable", "no", "the relay host wants no login"


def _password(wanted: Wanted, smarthost: Smarthost) -> Iterator[Step]:
    path, host = _table(wanted), wanted.host
    current = host.read(path)
    text = _with_password(current or b"", path, smarthost, nexthop(wanted, smarthost))
    why = "user and password for the relay host, readable by root only"
    write = WriteFile(
        path, before=current, after=text, owner="root", group="root", mode=0o600, secret=True, reason=why
    )
    build = BuildTable(_kind(wanted), path, reason="Postfix reads the table in this form")
    built = host.root.path(build.target)
    yield write
    # the table has the owner and mode of its text
    if not write.done(host.root) or _older(built, host.root.path(path)) or _is_open(host, build.target):
        yield build
        yield Act("postfix", "reload", "reads the password table anew")


def _with_password(entries: bytes, path: str, smarthost: Smarthost, hop: str) -> bytes:
    """Return the text of the table ``path`` with the login; as it is where no password is given.

    Raises:
        PolicyError: when none is given and the table has none, or the one given can't be in a table.

    """
    key = _key(entries, smarthost, hop)
    if not smarthost.password_file:
        if _user_for(entries, key) != smarthost.user:
            missing = f"must be given: {path} has no password of {smarthost.user} for {key} yet"
            raise PolicyError("smarthost.password_file", missing)
        return entries
    password = read_password_file(Path(smarthost.password_file), "smarthost.password_file").reveal()
    if password[-1].isspace():
        raise PolicyError(
            "smarthost.password_file", "the password ends in a blank, which Postfix's tables can't hold"
        )
    return table.put(entries, key, f"{smarthost.user}:{password}")


def exposed(host: Host) -> Iterator[str]:
    """Yield the files with a relay host's password that others than root can read."""
    for word in host.settled_postfix.value("smtp_sasl_password_maps").replace(",", " ").split():
        kind, _, path = word.removeprefix("proxy:").partition(":")
        if kind in _FILES and path.startswith("/"):
            paths = dict.fromkeys((path, path + SUFFIXES.get(kind, "")))
            yield from (each for each in paths if _is_open(host, each))


def _is_open(host: Host, path: str) -> bool:
    """Whether others than root can read ``path``."""
    found = host.metadata(path)
    if found is None:
        return False
    by_group = bool(found.gid and found.mode & stat.S_IRGRP)
    return by_group or bool(found.uid or found.mode & stat.S_IROTH)


def _older(one: Path, other: Path) -> bool:
    return not one.exists() or one.stat().st_mtime < other.stat().st_mtime


def _key(entries: bytes, smarthost: Smarthost, hop: str) -> str:
    """The key under which Postfix looks up the password: the bare name first, then what relayhost says."""
    return smarthost.host if table.lookup(entries, smarthost.host) is not None else hop


def _kind_and_path(wanted: Wanted) -> tuple[str, str]:
    """The table in use, if it is one file of a kind that can be looked up; else our own."""
    kind, _, path = wanted.postfix.value("smtp_sasl_password_maps").partition(":")
    usable = kind in _FILES and path.startswith("/") and " " not in path
    return (kind, path) if usable and "," not in path else (wanted.host.table_type, _TABLE)


def _kind(wanted: Wanted) -> str:
    return _kind_and_path(wanted)[0]


def _table(wanted: Wanted) -> str:
    return _kind_and_path(wanted)[1]


def _user_for(entries: bytes, key: str) -> str:
    return (table.lookup(entries, key) or "").partition(":")[0]


def _warnings(wanted: Wanted) -> Iterator[Note]:
    for name in ("transport_maps", "sender_dependent_relayhost_maps"):
        if wanted.postfix.value(name):
            yield Note(f"set by hand: {name} is in use and may send some mail another way; it is kept")
    for name in ("smtp_tls_policy_maps", "smtp_tls_per_site"):
        if wanted.postfix.value(name):
            yield Note(f"set by hand: {name} is in use and counts before smarthost.tls; it is kept")


def read(host: Host) -> Smarthost | None:
    """Return the relay host in force; None if there is none, or one that the section can't express."""
    postfix = host.settled_postfix
    relay = postfix.value("relayhost")
    parts, found_level = _split(relay), level(postfix)
    if not parts or found_level not in set(SmarthostTls):
        return None
    found = Smarthost(
        host=parts[0],
        port=parts[1],
        tls=SmarthostTls(found_level),
        ca_file=postfix.value("smtp_tls_CAfile") or host.platform.ca_file,
    )
    if not postfix.yes("smtp_sasl_auth_enable"):
        return found
    _, _, path = postfix.value("smtp_sasl_password_maps").partition(":")
    entries = (host.read(path) or b"") if path.startswith("/") else b""
    user = _user_for(entries, _key(entries, found, relay))
    # logs in with what no policy can tell: a table of another kind, or for other hosts
    return replace(found, user=user) if user else None


def level(postfix: Postfix) -> str:
    """Return the level in force, also where the older parameters say it (postconf(5))."""
    older = "encrypt" if postfix.yes("smtp_enforce_tls") else "may" if postfix.yes("smtp_use_tls") else "none"
    return postfix.value("smtp_tls_security_level") or older


def notes(host: Host) -> Iterator[str]:
    """Yield what the section can't express: a relay host that is more than one bracketed name."""
    relay = host.settled_postfix.value("relayhost")
    if relay and read(host) is None:
        yield f"set by hand: relayhost = {relay} (a policy names one host in brackets, and one user)"
