"""User names in every form, at every back end: whoever is let in is who the hand-out card says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from recipes.user_names import Called, Names
from tests.machines import directory, every, mail_clients
from tests.machines.backends import CHROOTS, PASSWORD, POLICY, policy, postfix_auth
from tests.machines.databases import PGSQL
from tests.machines.images import Kind
from tests.machines.mail_clients import SERVER, Login

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

_DOMAIN, _ELSEWHERE = "example.com", "elsewhere.example"
_GUEST, _OTHER_GUEST = "gus", "gil"  # known with this domain only
_REALM = "EXAMPLE.NET"
#: Whom each back end knows, by the whole name that it looks for.
_KNOWN = {
    "saslauthd-pam": {"pat"},
    "saslauthd-shadow": {"sam"},
    "saslauthd-getpwent": {"gary"},
    "saslauthd-sasldb": {"dora@mail", f"{_GUEST}@{_DOMAIN}"},
    "saslauthd-rimap": {"imogen", f"{_GUEST}@{_DOMAIN}"},
    "saslauthd-ldap": {"lena", f"{_GUEST}@{_DOMAIN}"},
    "saslauthd-kerberos5": {f"ken@{_REALM}"},
    "auxprop-sasldb": {f"mary@{SERVER}", f"{_GUEST}@{_DOMAIN}"},
    "auxprop-sql": {f"sue@{SERVER}", f"{_GUEST}@{_DOMAIN}"},
    "auxprop-ldapdb": {"ann", "ann@example.org", f"{_OTHER_GUEST}@{_DOMAIN}"},
    "dovecot": {"vera", f"{_GUEST}@{_DOMAIN}"},
}
#: One of each sort that saslauthd makes a difference with -r for; the others are like saslauthd-pam.
_TURNED = frozenset({"saslauthd-pam", "saslauthd-rimap", "saslauthd-ldap"})
_TURN = """
sed -i '/^OPTIONS=/{s/ -r / /;t;s/ -m/ -r -m/}' /etc/default/saslauthd
systemctl restart saslauthd
"""


def test_whoever_types_what_the_card_says_is_let_in(boot: Boot) -> None:
    machine = boot(Kind.EVERY)
    every.start(machine)
    _add_guest(machine)
    for kind in every.EVERY:
        said = _apply(machine, kind)
        names = _let_in_as_foretold(machine, kind)
        assert _card(names, every.EVERY[kind].user) in said, said
        if kind in _TURNED:
            machine.run(_TURN)
            assert _let_in_as_foretold(machine, kind).cut is not names.cut
        domain = _REALM if kind == "saslauthd-kerberos5" else _DOMAIN
        machine.run(f"postconf -e smtpd_sasl_local_domain={domain} && postfix reload")
        _let_in_as_foretold(machine, kind)
    _the_policy_sets_the_realm(machine)


def _the_policy_sets_the_realm(machine: Machine) -> None:
    """Begin with system accounts that are found by their bare names only: a realm must not lock them out."""
    _apply(machine, "saslauthd-pam")
    assert not _let_in_as_foretold(machine, "saslauthd-pam").cut
    said = _apply(machine, "saslauthd-pam", _DOMAIN)
    assert "pat@anything gets in too" in said
    assert _let_in_as_foretold(machine, "saslauthd-pam").appended == _DOMAIN


def _add_guest(machine: Machine) -> None:
    command = f"saslpasswd2 -p -c -u {_DOMAIN} {_GUEST}"
    machine.run(f'IFS= read -r password; printf %s "$password" | {command}', stdin=f"{PASSWORD}\n")
    values = ", ".join(PGSQL.text(value) for value in (_GUEST, _DOMAIN, PASSWORD))
    PGSQL.tell(machine, " ".join(("INSERT INTO users VALUES", f"({values});")))
    directory.add_person(machine, f"{_GUEST}@{_DOMAIN}", "guests,ou=staff")
    directory.add_person(machine, f"{_OTHER_GUEST}@{_DOMAIN}", "guests,ou=people")
    for folder in ("/etc/imap", "/etc/dovecot"):
        machine.run(f"cat >>{folder}/users", stdin=f"{_GUEST}@{_DOMAIN}:{{PLAIN}}{PASSWORD}\n")


def _apply(machine: Machine, kind: str, domain: str = "") -> str:
    chroot = CHROOTS["not chrooted" if kind == "auxprop-ldapdb" else "chrooted"]
    text = policy(every.EVERY[kind], chroot)
    machine.write_file(POLICY, f'{text}[authorization]\nlocal_domain = "{domain}"\n')
    user = every.EVERY[kind].user
    return postfix_auth(machine, "apply", "-p", POLICY, "--yes", "--no-test", "--user", user).stdout


def _card(names: Names, user: str) -> str:
    return f"User name              {' or '.join(names.forms(user))}\n"


def _let_in_as_foretold(machine: Machine, kind: str) -> Names:
    """Try every form of the names; return how the host says it looks them up, which must be so."""
    found = json.loads(postfix_auth(machine, "status", "--json").stdout)["names"]
    names = Names(**{**found, "called": Called(found["called"])})
    users = {name.partition("@")[0] for name in _KNOWN[kind]}
    domains = {_DOMAIN, _ELSEWHERE, *(name.partition("@")[2] for name in _KNOWN[kind])} - {""}
    typed = [*users, *(f"{user}@{domain}" for user in users for domain in domains)]
    replies = mail_clients.replies(machine, [Login(587, "PLAIN", name, PASSWORD) for name in typed])
    let_in = {name for name, reply in zip(typed, replies, strict=True) if reply == "235"}
    assert let_in == {name for name in typed if names.looked_up(name) in _KNOWN[kind]}, (kind, names)
    forms = [set(names.forms(user)) for user in users]
    if names.called is Called.EITHER:
        assert any(one & let_in for one in forms), (kind, names)
    else:
        assert not any(forms) or any(one <= let_in for one in forms if one), (kind, names)
    return names
