"""Dovecot's own side of its socket for Postfix: written and checked here, or told to the admin.

Sources: SASL_README, "Postfix to Dovecot SASL communication"; Dovecot's "service auth" and "auth_mechanisms",
of which 2.3 and 2.4 name a TCP listener's address differently.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from recipes import dovecot_facts as facts
from recipes import measured
from recipes.backend import asked
from recipes.dovecot_facts import INET
from wizard import dovecot, processes
from wizard.changes import MakeDirectory, WriteFile
from wizard.errors import HostError, PolicyError
from wizard.ours import Kind
from wizard.policy import Dovecot
from wizard.steps import Act, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.steps import Step, Wanted


def configured(wanted: Wanted, backend: Dovecot, offered: tuple[str, ...]) -> Iterator[Step]:
    """Yield what makes Dovecot listen for Postfix and offer ``offered``.

    Raises:
        PolicyError: when Dovecot can't do that.
        HostError: when it would not read it as meant.

    """
    host, path = wanted.host, wanted.host.platform.dovecot.drop_in
    _refuse(host, backend, offered)
    content = fragment(wanted, backend, offered).encode()
    before = host.read(path)
    yield from _what_changes_for_others(host, offered)
    if content != before:
        _refuse_unless_read(host, path, content, offered)
        why = "opens Dovecot's socket for Postfix, with the mechanisms to offer (SASL_README)"
        yield from _directory(host, backend)
        yield WriteFile(path, before, content, owner="root", group="root", mode=0o644, reason=why)
        yield Act("dovecot", "reload", "reads its configuration anew")
    elif host.root.live and (why := facts.silence(backend.address, host)):
        # a socket that is there is made anew at a start only
        verb = "restart" if host.exists(_socket(host, facts.below_queue(backend.address, host))) else "reload"
        yield Act("dovecot", verb, f"does not answer at {backend.address}: {why}")
    if host.root.live and facts.is_dead(host):
        yield Act("postfix", "restart", "an smtpd that found no Dovecot is not tried again for a minute")
    yield Act("dovecot", "enable", "checks the passwords, after a reboot as well")


def _refuse(host: Host, backend: Dovecot, offered: tuple[str, ...]) -> None:
    for name in offered:
        if refused := facts.refusal(host, name):
            raise PolicyError("mechanisms.offer", refused)
    address = facts.below_queue(backend.address, host)
    if host.root.live and facts.elsewhere(address, host):
        raise PolicyError(
            "backend.configure",
            f"must be false: {facts.host_of(address)} is not this host, and its Dovecot is set up there",
        )
    place, usual = _socket(host, address).rpartition("/")[0], f"{host.queue_directory}/private"
    if not address.startswith(INET) and place != usual and not host.exists(place):
        raise PolicyError("backend.address", f"there is no directory {place}; private/auth is the usual one")


def _directory(host: Host, backend: Dovecot) -> Iterator[Step]:
    """Yield the directory of the socket where no Postfix has made it yet, as it will when it first starts."""
    usual = f"{host.queue_directory}/private"
    if host.exists(usual):
        return
    if _socket(host, facts.below_queue(backend.address, host)).startswith(f"{usual}/"):
        why = "Dovecot makes its socket in it, and starts before Postfix"
        yield MakeDirectory(usual, owner="postfix", group="root", mode=0o700, reason=why)


def _refuse_unless_read(host: Host, path: str, content: bytes, offered: tuple[str, ...]) -> None:
    """Let Dovecot read its configuration with our file in it, and compare with what was meant."""
    if not host.has_dovecot:
        return
    found = dovecot.settings_with(path, content)
    listeners = set(re.findall(r"(?:unix|inet)_listener \S+", content.decode()))
    if found.mechanisms != offered or not listeners <= found.listeners:
        raise HostError(
            f"Dovecot would not take what {path} says: dovecot.conf does not include conf.d/*.conf, or a "
            "later file sets auth_mechanisms too; mend that, or set backend.configure = false. "
            "Nothing is changed"
        )


def _what_changes_for_others(host: Host, offered: tuple[str, ...]) -> Iterator[Note]:
    stored = [name for name in offered if name in facts.NEEDS_STORED]
    if stored:
        yield Note(
            f"{' and '.join(stored)}: only for users whose password Dovecot has in clear or in that very "
            "scheme (doveadm pw -l lists them), which can't be seen from here; a mail program that picks it "
            "for anybody else fails"
        )
    known = host.dovecot
    lost = [name for name in known.mechanisms if name not in offered] if known else []
    if lost:
        yield Note(
            f"auth_mechanisms hold for all of Dovecot: IMAP and POP3 programs can't use {' and '.join(lost)} "
            "any more"
        )


def leave(wanted: Wanted) -> Iterator[Step]:
    """Yield what takes Postfix's socket out of Dovecot, and ends a Dovecot that was set up for it only."""
    host = wanted.host
    if isinstance(wanted.policy.backend, Dovecot) or asked(host) != "dovecot":
        return
    yield from withdraw(wanted)
    if not host.exists(host.platform.dovecot.drop_in):
        address = facts.below_queue(wanted.postfix.value("smtpd_sasl_path"), host)
        yield Note(f"Dovecot still listens at {address} for Postfix, as somebody else has set up; kept")
    if host.made.has(Kind.AT_BOOT, "dovecot"):
        yield Act("dovecot", "disable", "it did not start at boot before Postfix asked it")
    began = host.made.has(Kind.RUNNING, "dovecot") or host.made.installed(*host.platform.packages["dovecot"])
    if began and host.packages.isdisjoint(_FOR_MAIL_PROGRAMS):
        yield Act("dovecot", "stop", "no smtpd asks it any more, and it serves nobody else")


#: Debian's packages of what else Dovecot may be there for.
_FOR_MAIL_PROGRAMS = ("dovecot-imapd", "dovecot-pop3d", "dovecot-lmtpd", "dovecot-managesieved")


def withdraw(wanted: Wanted) -> Iterator[Step]:
    """Yield what takes our file out of Dovecot's configuration, if it is there."""
    path = wanted.host.platform.dovecot.drop_in
    before = wanted.host.read(path)
    if before is None:
        return
    yield WriteFile(path, before, None, reason="Dovecot's side of the socket was set up by it")
    if wanted.host.root.live and processes.running("dovecot"):
        yield Act("dovecot", "reload", "reads its configuration anew")


def told(wanted: Wanted, backend: Dovecot, offered: tuple[str, ...]) -> Iterator[Step]:
    """Yield what the admin has to do in Dovecot.

    Raises:
        PolicyError: when Dovecot is known not to offer what the policy asks for.

    """
    host = wanted.host
    if host.exists(host.platform.dovecot.drop_in):
        yield Note(f"the admin sets up Dovecot from now on. {_instruction(wanted, backend, offered)}")
        return
    found = facts.answer(backend.address, host)
    if not found:
        text = _silent(wanted, backend, offered)
        if host.root.live and asked(host) not in ("", "dovecot"):
            raise PolicyError("backend.address", text)  # whoever logs in today could not any more
        yield Note(text)
    elif wanted.given.mechanisms and wanted.given.mechanisms.offer:
        yield from _differences(wanted, backend, offered, found)


def _silent(wanted: Wanted, backend: Dovecot, offered: tuple[str, ...]) -> str:
    host = wanted.host
    nobody = (
        f"nobody answers at {backend.address} yet ({facts.silence(backend.address, host)})"
        if host.root.live
        else "Dovecot can't be asked here"
    )
    instruction = _instruction(wanted, backend, offered)
    return f"{nobody}, and without Dovecot smtpd ends at every connection. {instruction}"


def _differences(
    wanted: Wanted, backend: Dovecot, offered: tuple[str, ...], found: tuple[str, ...]
) -> Iterator[Note]:
    missing = [name for name in offered if name not in found]
    if missing:
        raise PolicyError(
            "mechanisms.offer",
            f"Dovecot at {backend.address} offers {' '.join(found)}, and not {' '.join(missing)}. "
            f"{_instruction(wanted, backend, offered)}\n    or set backend.configure = true",
        )
    surplus = [name for name in found if name not in offered and name in measured.serves(backend.type)]
    if surplus:
        yield Note(
            f"Dovecot at {backend.address} offers {' and '.join(surplus)} too: its auth_mechanisms decide, "
            f"which would have to be: {' '.join(offered).lower()}"
        )


def _instruction(wanted: Wanted, backend: Dovecot, offered: tuple[str, ...]) -> str:
    lines = fragment(wanted, backend, offered).splitlines()[1:]
    text = "".join(f"\n    {line}" for line in lines)
    return f"Write {_where(wanted.host, backend)}:{text}\n    and run: doveadm reload"


_INCLUDES_LOCAL = re.compile(rb"^\s*!include(_try)?\s+(\S*/)?local\.conf\s*$", re.MULTILINE)


def _where(host: Host, backend: Dovecot) -> str:
    main = host.read("/etc/dovecot/dovecot.conf")
    if facts.elsewhere(backend.address, host):
        return "into /etc/dovecot/local.conf there"
    if main is not None and not _INCLUDES_LOCAL.search(main):
        return "at the end of /etc/dovecot/dovecot.conf"
    return "into /etc/dovecot/local.conf"


def fragment(wanted: Wanted, backend: Dovecot, offered: tuple[str, ...]) -> str:
    """Return the configuration that makes Dovecot listen, in the syntax of its version."""
    host = wanted.host
    found = host.dovecot
    version = found.version if found and found.version else host.platform.dovecot.version
    path = facts.below_queue(backend.address, host)
    if path.startswith(INET):
        head = "inet_listener postfix-auth"
        key = "listen" if version >= (2, 4) else "address"
        lines = [f"{key} = {facts.host_of(path)}", f"port = {path.rpartition(':')[2]}"]
    else:
        head = f"unix_listener {_socket(host, path)}"
        owner = wanted.postfix.value("mail_owner")
        lines = ["mode = 0660", f"user = {owner}", f"group = {owner}"]
    inner = "".join(f"    {line}\n" for line in lines)
    return (
        "# Postfix asks Dovecot whether a login is right; written by postfix-auth\n"
        f"auth_mechanisms = {' '.join(offered).lower()}\n"
        f"service auth {{\n  {head} {{\n{inner}  }}\n}}\n"
    )


def _socket(host: Host, path: str) -> str:
    return path if path.startswith("/") else f"{host.queue_directory}/{path}"
