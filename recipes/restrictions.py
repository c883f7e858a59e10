"""Whom the restriction lists of a service let in: users who have authenticated, wherever they are.

main.cf's own are meant for strangers on port 25; SMTPD_ACCESS_README and SASL_README say how both are read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wizard.formats import maincf, mastercf
from wizard.host import MAIN_CF, MASTER_CF
from wizard.steps import Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.postfix import Postfix, Service

_USERS = "permit_sasl_authenticated"
_ONLY_USERS = f"{_USERS},reject"
_RESTRICTIONS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
)
#: What judges a client by its address or by the name that it gives itself, as homes and hotels have none.
_BY_PLACE = re.compile(
    r"reject_(?:(?:rbl|rhsbl|unknown)_(?:client|reverse_client|helo)|unknown_hostname"
    r"|(?:invalid|non_fqdn)_(?:helo_)?hostname)",
    re.IGNORECASE,
)
#: One of these lists must refuse in one of these words, or every smtpd is fatal (smtpd(8), smtpd_check.c).
_DECISIVE = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
_REFUSING = {"reject", "defer", "defer_if_permit", "reject_unauth_destination", "defer_unauth_destination"}
_EARLY = ("smtpd_client_restrictions", "smtpd_helo_restrictions")
_REFUSAL = re.compile(r"(?<![^\s,])(?:reject|defer)\w*", re.IGNORECASE)
#: Why each of them is set.
REASONS = {
    "smtpd_relay_restrictions": "relays for authenticated clients only",
    "smtpd_client_restrictions": "accepts what authenticated clients send",
    "smtpd_helo_restrictions": "accepts what authenticated clients send",
    "smtpd_sender_restrictions": "accepts what authenticated clients send",
    "smtpd_recipient_restrictions": "accepts what authenticated clients send",
    "smtpd_delay_reject": "asks who may send once the client has had a chance to log in",
}


def for_new_service(postfix: Postfix) -> Iterator[tuple[str, str]]:
    """Yield a new service's own lists: nothing meant for strangers, all that main.cf says of logins."""
    for name in _RESTRICTIONS:
        rules = _login_rules(_tokens(postfix, None, name))
        if rules and "{" in postfix.value(name):
            continue  # a table inside the list can have blanks, an override can't: the list itself holds
        yield name, ",".join([*rules, *([_ONLY_USERS] if name == "smtpd_relay_restrictions" else [])])


def lacking(postfix: Postfix, service: Service) -> Iterator[tuple[str, str]]:
    """Yield the overrides that ``service``, which is there, needs: parameter and value."""
    # where nobody could log in yet, main.cf's lists are as little meant for users as on a new service
    fresh, lists = dict(for_new_service(postfix)), {}
    for restriction in _RESTRICTIONS:
        tokens = _tokens(postfix, service, restriction)
        relay = restriction == "smtpd_relay_restrictions"
        inherited = service not in postfix.auth_services and restriction not in service.options
        if inherited and not relay and restriction in fresh and _before_users(tokens):
            lists[restriction] = fresh[restriction]
        elif not (_guarded(postfix, service) if relay else _lets_users_through(tokens)):
            lists[restriction] = ",".join([*_login_rules(tokens), _ONLY_USERS])
    yield from lists.items()
    if not postfix.yes("smtpd_delay_reject", service) and _asks_too_early(postfix, service, lists):
        yield "smtpd_delay_reject", "yes"


def let_users_through(postfix: Postfix, service: Service) -> Iterator[Edit]:
    """Yield what makes port 25 relay for users who have authenticated, and stay as it is for others."""
    for name in _DECISIVE:
        if not _lets_users_through(_tokens(postfix, service, name)):
            yield _let_through(postfix, service, name)


def _let_through(postfix: Postfix, service: Service, name: str) -> Edit:
    """Put permit_sasl_authenticated before the first refusal in the list ``name``, where it is written."""
    own = name in service.options
    written = service.options[name] if own else postfix.parameters[name]
    # a refusal inside a $name shows only once that is replaced
    text = written if _REFUSAL.search(written) else postfix.value(name, service)
    value = _REFUSAL.sub(rf"{_USERS}, \g<0>", text, count=1)
    why = "lets authenticated clients relay"
    if own:
        if " " not in written:  # it needs no braces
            value = ",".join(value.replace(",", " ").split())
        return Edit(MASTER_CF, mastercf.SetOption(service.name, service.type, name, value), why)
    return Edit(MAIN_CF, maincf.SetParameter(name, value), why)


def kept_refusals(postfix: Postfix, service: Service, wish: Mapping[str, str]) -> Iterator[Note]:
    """Say which refusals of users for where they are stay (SMTPD_ACCESS_README)."""
    lists = {
        name: _before_users(_tokens(postfix, service, name)) for name in _RESTRICTIONS if name not in wish
    }
    kept = [f"{one} ({name})" for name, tokens in lists.items() for one in tokens if _BY_PLACE.match(one)]
    if kept:
        yield Note(
            f"the service {service.name} keeps {', '.join(kept)}: that turns users away who dial in or are "
            f"on the move; put {_USERS} before it, or give the service a list of its own"
        )


def unguarded_senders(postfix: Postfix, service: Service) -> Iterator[Note]:
    """Say what ends on port 25 together with AUTH (postconf(5), reject_sender_login_mismatch)."""
    for token in (token for name in _RESTRICTIONS for token in _tokens(postfix, service, name)):
        if token.lower().endswith("_sender_login_mismatch"):
            yield Note(
                f"{token} does nothing without AUTH, so from now on strangers may name your users as senders "
                "on port 25; submission.auth_on_smtp = true keeps it, a check_sender_access there replaces it"
            )


def _login_rules(tokens: list[str]) -> list[str]:
    """Those of ``tokens`` that lock logins out or bind sender addresses to them (SASL_README)."""
    rules: list[str] = []
    for at, token in enumerate(tokens):
        if token.lower() == "check_sasl_access":
            rules += tokens[at : at + 2]
        elif token.lower().endswith("_sender_login_mismatch"):
            rules.append(token)
    return rules


def _tokens(postfix: Postfix, service: Service | None, parameter: str) -> list[str]:
    return postfix.value(parameter, service).replace(",", " ").split()


def _guarded(postfix: Postfix, service: Service) -> bool:
    """Whether a restriction list of ``service`` turns everybody away who has not authenticated."""
    lists = [_tokens(postfix, service, name) for name in _RESTRICTIONS]
    relay, recipient = (_tokens(postfix, service, name) for name in _DECISIVE)
    first = ([token.lower() for token in tokens[:2]] for tokens in lists)
    refuses = any(token.lower() in _REFUSING for token in (*relay, *recipient))
    return refuses and _lets_users_through(relay) and [_USERS, "reject"] in first


def _asks_too_early(postfix: Postfix, service: Service, lists: Mapping[str, str]) -> bool:
    """Whether a list that would be asked before AUTH, but for smtpd_delay_reject, lets only users through."""
    for name in _EARLY:
        text = lists.get(name, ",".join(_tokens(postfix, service, name))).lower()
        if _USERS in text and text.endswith(("reject", "defer")):
            return True
    return False


def _lets_users_through(tokens: list[str]) -> bool:
    """Whether an authenticated client passes before the list asks about the destination."""
    for token in map(str.lower, tokens):
        if token == _USERS:
            return True
        if token in ("reject", "defer") or token.endswith("_unauth_destination"):
            return False
    return True


def _before_users(tokens: list[str]) -> list[str]:
    """Return what may refuse a client before it passes because it has authenticated."""
    names = [token.lower() for token in tokens]
    users = names.index(_USERS) if _USERS in names else len(names)
    ours = _login_rules(tokens[:users])
    return [token for token in tokens[:users] if token not in ours and not token.lower().startswith("permit")]
