"""What a policy promises of every smtpd that offers AUTH, held against a configuration as Postfix reads it.

Recipes judge by what was there before. This looks at the result, wherever it came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.policy import Plaintext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.policy import Policy
    from wizard.postfix import Postfix, Service

_HIDDEN = "noplaintext"


def broken(policy: Policy, postfix: Postfix) -> Iterator[str]:
    """Yield which promises of ``policy`` the services of ``postfix`` would not keep, in words."""
    for service in postfix.auth_services:
        if policy.submission and policy.submission.require_tls:
            yield from _outside_tls(postfix, service)
        if policy.mechanisms and _shows_passwords(policy.mechanisms.plaintext, postfix, service):
            plaintext = policy.mechanisms.plaintext
            yield f"master.cf: {service.key} would take passwords against mechanisms.plaintext = {plaintext}"


def _outside_tls(postfix: Postfix, service: Service) -> Iterator[str]:
    asked = "submission.require_tls = true"
    if not postfix.auth_in_tls_only(service) and service not in postfix.stray_auth_services:
        yield f"master.cf: {service.key} would offer AUTH before TLS against {asked}"
    wrapped = postfix.yes("smtpd_tls_wrappermode", service)
    if service in postfix.services_at("submission") and not wrapped and postfix.tls_level(service) == "none":
        yield f"master.cf: {service.key} would have no TLS, so nobody could log in with {asked}"


def _shows_passwords(plaintext: Plaintext, postfix: Postfix, service: Service) -> bool:
    before = postfix.auth_in_tls_only(service) or _HIDDEN in postfix.sasl_options(service, inside_tls=False)
    match plaintext:
        case Plaintext.TLS_ONLY:
            return not before
        case Plaintext.NEVER:
            return not before or _HIDDEN not in postfix.sasl_options(service, inside_tls=True)
        case _:
            return False
