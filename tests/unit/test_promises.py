"""A result that would not be what the policy says is named, whatever led to it."""

from __future__ import annotations

import pytest

from wizard import promises
from wizard.policy import Mechanisms, Plaintext, Policy, Submission
from wizard.postfix import Postfix, Service

AUTH = {"smtpd_sasl_auth_enable": "yes"}
INSIDE = AUTH | {"smtpd_tls_auth_only": "yes", "smtpd_tls_security_level": "may"}
HIDDEN = {"smtpd_sasl_security_options": "noanonymous, noplaintext"}


def submission(options: dict[str, str], name: str = "submission") -> Postfix:
    columns = (name, "inet", "n", "-", "y", "-", "-", "smtpd")
    service = Service(name, "inet", "y", "smtpd", columns, options, options)
    return Postfix("/etc/postfix", {}, {}, frozenset(), (service,), ())


@pytest.mark.parametrize(
    ("options", "plaintext", "require_tls", "said"),
    [
        (AUTH, Plaintext.ALWAYS, True, "AUTH before TLS"),
        (INSIDE, Plaintext.TLS_ONLY, True, ""),
        (AUTH | {"smtpd_enforce_tls": "yes"}, Plaintext.TLS_ONLY, True, ""),
        (INSIDE | {"smtpd_tls_security_level": "none"}, Plaintext.TLS_ONLY, True, "nobody could log in"),
        (AUTH, Plaintext.TLS_ONLY, False, "mechanisms.plaintext = tls-only"),
        (AUTH, Plaintext.ALWAYS, False, ""),
        (AUTH | HIDDEN, Plaintext.TLS_ONLY, False, ""),
        (INSIDE | HIDDEN, Plaintext.NEVER, True, "mechanisms.plaintext = never"),
        ({}, Plaintext.NEVER, True, ""),
    ],
)
def test_what_is_not_kept_is_named(
    options: dict[str, str], plaintext: Plaintext, require_tls: bool, said: str
) -> None:
    policy = Policy(
        mechanisms=Mechanisms(plaintext=plaintext), submission=Submission(require_tls=require_tls)
    )
    broken = " ".join(promises.broken(policy, submission(options)))
    assert said in broken
    assert bool(said) == bool(broken)


def test_nothing_is_promised_of_ports_that_no_policy_speaks_of() -> None:
    asked = Policy(submission=Submission())
    assert not [*promises.broken(asked, submission(AUTH, "127.0.0.1:10025"))]
