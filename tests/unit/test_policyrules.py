"""Warnings: what a policy may say, and what its admin should hear about it."""

from __future__ import annotations

import pytest

from wizard.policyfile import parse
from wizard.policyrules import warnings

RELAY = '[smarthost]\nhost = "a"\nuser = "u"\npassword_file = "/p"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RELAY + 'tls = "none"', "sends the password un"),
        (RELAY + 'tls = "encrypt"', "does not check who"),
        (RELAY + 'tls = "dane"', "only while it has TLSA"),
        ('[smarthost]\nhost = "a"\nport = 465\ntls = "may"', "port 465 speaks TLS from the start"),
        ('[mechanisms]\noffer = ["LOGIN", "SCRAM-SHA-1"]\nplaintext = "never"', "LOGIN will not be offered"),
        ('[mechanisms]\nplaintext = "always"', "may cross the network unencrypted"),
        ('[submission]\nservices = []', "nobody can log in"),
        ('[submission]\nrequire_tls = false', "unencrypted"),
        ('[submission]\nauth_on_smtp = true\n[tls]\nlevel = "none"', "no effect"),
        ('[tls]\nsource = "keep"\ncertificate = "/c"', "not used with source keep"),
    ],
)  # fmt: skip
def test_what_is_risky_or_without_effect_is_said(text: str, says: str) -> None:
    (warning,) = warnings(parse(text))
    assert says in warning


def test_a_careful_policy_has_no_warnings() -> None:
    careful = """
    [backend]
    type = "saslauthd-pam"
    [mechanisms]
    [tls]
    source = "files"
    certificate = "/c"
    key = "/k"
    [submission]
    auth_on_smtp = true
    [smarthost]
    host = "a"
    user = "u"
    password_file = "/p"
    """
    assert warnings(parse(careful)) == ()
