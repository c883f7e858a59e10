"""Accounts of the back ends that own theirs: today sasldb, by Cyrus SASL's own saslpasswd2(8)."""

from __future__ import annotations

import re
import secrets
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, testaccounts
from wizard.changes.tree import run_in
from wizard.errors import HostError, PolicyError, WizardError
from wizard.root import Root
from wizard.sasl_client import SaslError, saslprep
from wizard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host

# what saslpasswd2, sasldb's key format and every mechanism agree on
_NEVER = re.compile(r"[\x00-\x20\x7f/:\"\\]")
_DOMAIN = re.compile(r"[A-Za-z0-9.-]*")
_LONGEST_NAME, _LONGEST_REALM = 64, 253
_FAILED = "listusers failed"  # all that sasldblistusers2 itself says of a file that it can't read
#: What makes anew what a back end needs, where it is gone.
APPLY_ANEW = "postfix-auth policy >mail.toml && postfix-auth apply -p mail.toml"


@dataclass(frozen=True, slots=True)
class Account:
    """One account: ``name`` stands before the ``@``, ``realm`` behind it; empty: there is nothing behind."""

    name: str
    realm: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.realm}" if self.realm else self.name


def typed(account: Account, realm: str) -> str:
    """Return what the user of ``account`` has to type, where a bare name belongs to ``realm``."""
    return account.name if account.realm == realm else str(account)


@dataclass(frozen=True, slots=True)
class Sasldb:
    """The accounts in one sasldb file. ``realm`` is the one that a bare name belongs to."""

    path: str
    realm: str
    root: Root = field(default_factory=Root)
    how_to_begin: ClassVar[str] = "there are no accounts yet: postfix-auth user add NAME makes one"

    def accounts(self) -> tuple[Account, ...]:
        """Return every account, by name; none where there is no file yet.

        Raises:
            HostError: when what is there can't be read, or is no sasldb.
            WizardError: when it can't be listed, with sasldblistusers2's words.

        """
        if not self._exists():
            return ()
        argv = ["sasldblistusers2", "-f", self.path]
        done = run_in(self.root, argv).expect(f"can't list the accounts in {self.path}")
        lines = done.stdout.splitlines()
        if _FAILED in (*lines, *done.stderr.splitlines()):  # the exit status is 0 all the same
            raise self._damaged("it is no sasldb")
        entries = (line.rpartition(": ")[0].rpartition("@") for line in lines)
        return tuple(sorted({Account(name, realm) for name, at, realm in entries if at}, key=str))

    def _exists(self) -> bool:
        try:
            # a pipe would keep who opens it waiting, for ever
            if stat.S_ISREG(self.root.file(self.path).stat().st_mode):
                return True
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._damaged(error.strerror or str(error)) from error
        raise self._damaged("it is not a regular file")

    def _damaged(self, why: str) -> HostError:
        name = self.root.path(self.path)
        places = f"{self.path} and {name.readlink()}" if name.is_symlink() else self.path
        return HostError(
            f"{self.path} can't be read: {why}. Restore it from a backup; or move {places} away, and "
            f"{APPLY_ANEW} makes an empty one"
        )

    def account(self, name: str) -> Account:
        """Return the account that ``name`` or ``name@realm`` means, be there such a one or not.

        Raises:
            PolicyError: when nothing stands before the ``@`` or behind it.

        """
        bare, at, realm = name.rpartition("@")
        if not at:
            bare, realm = realm, self.realm
        if not bare or not realm:
            raise PolicyError("NAME", broken_rule(name))
        return Account(bare, realm)

    def set_password(self, account: Account, password: Secret) -> None:
        """Make ``account``, or give it a new password. It goes through standard input only.

        Raises:
            PolicyError: when mail programs would send the name or the password in another form.
            WizardError: with saslpasswd2's words when it refuses.

        """
        _must_stay("NAME", "the user name", account.name)
        _must_stay("", "the password", password.reveal())
        argv = ["saslpasswd2", "-p", "-c", "-f", self.path, "-u", account.realm, "--", account.name]
        done = run_in(self.root, argv, stdin=password.reveal().encode())
        done.expect(f"can't set the password of {account}")

    def remove(self, account: Account) -> None:
        """Delete ``account``.

        Raises:
            WizardError: when it is not there, which saslpasswd2 itself does not mind, or can't be deleted.

        """
        if account not in self.accounts():
            raise WizardError(f"there is no account {account}")
        argv = ["saslpasswd2", "-d", "-f", self.path, "-u", account.realm, "--", account.name]
        run_in(self.root, argv).expect(f"can't remove {account}")


def broken_rule(name: str) -> str:
    """Return the rule for the names of new accounts that ``name`` breaks; empty: none.

    Others made accounts that break one: those are listed, tried and removed all the same.
    """
    bare, at, realm = name.partition("@")
    never = _NEVER.search(bare)
    rules = {
        "must have something before the @" if at else "must not be empty": not bare,
        f"must not hold {_called(never[0]) if never else ''}": never is not None,
        "must not begin with '-'": bare.startswith("-"),
        f"must not be longer than {_LONGEST_NAME} characters before the @": len(bare) > _LONGEST_NAME,
        "must have one '@' at most": "@" in realm,
        "must have something behind the @": bool(at) and not realm,
        "must have only A-Z, a-z, 0-9, dots and hyphens behind the @": not _DOMAIN.fullmatch(realm),
        f"must not be longer than {_LONGEST_REALM} characters behind the @": len(realm) > _LONGEST_REALM,
    }
    return next((rule for rule, broken in rules.items() if broken), "")


def _called(character: str) -> str:
    if character == " ":
        return "a blank"
    return f"'{character}'" if character.isprintable() else "control characters"


def _must_stay(key: str, what: str, text: str) -> None:
    """Refuse what SCRAM's clients change before they use it (RFC 5802, section 2.2); libsasl does not."""
    try:
        stays = saslprep(text, stored=True) == text
    except SaslError:
        stays = False
    if not stays:
        why = "holds a character that some mail programs send in another form or not at all (RFC 4013)"
        raise PolicyError(key, f"{what} {why}; choose another one")


def of(host: Host) -> Sasldb:
    """Return the sasldb that ``host``'s smtpd looks accounts up in, with the realm of a bare name.

    That is smtpd_sasl_local_domain; or Postfix's own host name (SASL_README, "Enabling SASL authentication"),
    but behind saslauthd, which knows nothing of Postfix's, the system's (gethostname(2)).

    Raises:
        HostError: when Postfix is not installed.
        ParseError: when smtpd.conf can't be read.

    """
    path = host.smtpd_conf.keys.get("sasldb_path", host.platform.sasl.sasldb)
    return Sasldb(path, realms(host)[0], host.root)


def realms(host: Host) -> tuple[str, ...]:
    """Return the realm that a bare name belongs to, as in ``of``; several where one smtpd has another one.

    Raises:
        HostError: when Postfix is not installed.
        ParseError: when smtpd.conf can't be read.

    """
    postfix = host.settled_postfix
    saslauthd = host.smtpd_conf.methods[:1] == ("saslauthd",)
    return tuple(
        dict.fromkeys(
            postfix.value("smtpd_sasl_local_domain", service)
            or (host.name if saslauthd else postfix.value("myhostname", service))
            for service in postfix.auth_services or (None,)
        )
    )


@contextmanager
def temporary(sasldb: Sasldb) -> Iterator[tuple[Account, Secret]]:
    """Give an account with a password nobody knows, which is gone afterwards, without a trace in the file."""
    testaccounts.sweep(sasldb.root, sasldb.path)
    account = Account(testaccounts.new_name(), sasldb.realm)
    password = Secret(secrets.token_urlsafe(18))
    path = Path(sasldb.path).resolve()
    before, look = disk.read(path), disk.look(path)
    during = None
    try:
        sasldb.set_password(account, password)
        during = disk.read(path)
        yield account, password
    finally:
        if before is not None and disk.read(path) == during:
            # in place: a hard link may be what a chrooted smtpd reads
            disk.rewrite(path, before, look)
        elif account in sasldb.accounts():
            # somebody has changed another account in the meantime
            sasldb.remove(account)
