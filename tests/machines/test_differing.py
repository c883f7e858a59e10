"""Hosts whose smtpds differ: what is read back of them, and that no policy weakens one that is stricter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.machines.handmade import OWN_ACCOUNTS, POLICY, apply, by_hand, postfix_auth
from tests.machines.mail_clients import SERVER

if TYPE_CHECKING:
    from tests.machines.machine import Machine

pytestmark = pytest.mark.either_release

_KEEP = "cp -p /etc/postfix/main.cf /etc/postfix/master.cf /root"
_AGAIN = "cp -p /root/main.cf /root/master.cf /etc/postfix && postfix reload"
_OPTION = "submission/inet/smtpd"
_HIDING = f"postconf -P {_OPTION}_sasl_security_options=noplaintext,noanonymous"
#: What somebody does to one service by hand, and what is said of it.
_DIFFERENT = (
    (
        "postconf -P smtp/inet/smtpd_sasl_auth_enable=yes",
        "the service submission/inet offers AUTH inside TLS only, others in clear as well",
    ),
    (
        (
            f"postconf -P {_OPTION}_enforce_tls=yes && postconf -e smtpd_tls_security_level= && "
            f"postconf -PX {_OPTION}_tls_security_level {_OPTION}_tls_auth_only"
        ),
        'plaintext = "tls-only"',
    ),
    (_HIDING, "the service submission/inet has smtpd_sasl_security_options = noplaintext,noanonymous"),
    (f"{_HIDING} && postconf -MX submissions/inet", 'plaintext = "never"'),
    (
        (
            "postconf -P smtp/inet/smtpd_sasl_auth_enable=yes smtp/inet/smtpd_tls_auth_only=yes "
            f"{_OPTION}_sasl_type=dovecot {_OPTION}_sasl_path=private/auth"
        ),
        "the service submission/inet has smtpd_sasl_type = dovecot",
    ),
    ("postconf -P smtp/inet/smtpd_tls_security_level=none", 'level = "none"'),
    (f"postconf -P {_OPTION}_tls_wrappermode=yes", "submission/inet speaks TLS from the start"),
    (
        (
            "postconf -e 'smtpd_sasl_local_domain = $myhostname' && "
            f"postconf -P '{_OPTION}_sasl_local_domain=$myhostname'"
        ),
        f'local_domain = "{SERVER}"',
    ),
    ("postconf -e smtpd_sasl_local_domain=my_realm", "set by hand: authorization.local_domain is my_realm"),
)


def clear_offers(machine: Machine, port: int) -> str:
    """What the server says before TLS."""
    return machine.run(["swaks", "--server", f"{SERVER}:{port}", "--quit-after", "EHLO"], check=False).stdout


def test_what_is_read_back_of_services_that_differ_changes_none_of_them(machine: Machine) -> None:
    by_hand(machine, "true")
    apply(machine, OWN_ACCOUNTS)
    machine.run(_KEEP)
    for script, told in _DIFFERENT:
        machine.run(f"{script} && postfix reload")
        policy = postfix_auth(machine, "policy")
        assert told in policy, policy
        assert "Nothing to do" in postfix_auth(machine, "plan", policy=policy), policy
        machine.run(_AGAIN)


def test_less_is_asked_only_where_every_service_has_more(machine: Machine) -> None:
    by_hand(machine, "true")
    apply(machine, OWN_ACCOUNTS)
    machine.run("postconf -P smtp/inet/smtpd_sasl_auth_enable=yes && postfix reload")
    loose = '[mechanisms]\nplaintext = "always"\n[submission]\nrequire_tls = false\nauth_on_smtp = true\n'
    assert "submission/inet offers AUTH inside TLS only" in apply(machine, loose)
    assert "AUTH" in clear_offers(machine, 25)
    assert "AUTH" not in clear_offers(machine, 587)
    apply(machine, loose.replace("auth_on_smtp = true", ""))
    assert "AUTH" not in clear_offers(machine, 25)
    assert "PLAIN" in clear_offers(machine, 587)
    assert "Nothing to do" in apply(machine, loose.replace("auth_on_smtp = true", ""))
    apply(machine, '[mechanisms]\nplaintext = "tls-only"\n[submission]\n')
    assert "AUTH" not in clear_offers(machine, 587)


def test_the_level_of_port_25_is_that_of_port_25_alone(machine: Machine) -> None:
    by_hand(machine, "true")
    apply(machine, OWN_ACCOUNTS)
    machine.run(f"postconf -PX {_OPTION}_tls_security_level; postconf -P {_OPTION}_tls_auth_only=yes")
    for level, offered in (("none", False), ("encrypt", True), ("may", True)):
        policy = f'[tls]\nsource = "keep"\nlevel = "{level}"\n[submission]\n'
        apply(machine, policy)
        assert ("STARTTLS" in clear_offers(machine, 25)) == offered
        submission = clear_offers(machine, 587)
        assert "STARTTLS" in submission
        assert "AUTH" not in submission
        assert machine.run(f"postconf -h -P {_OPTION}_tls_security_level").stdout == "may\n"
        assert "Nothing to do" in apply(machine, policy)


def test_users_get_in_where_lists_refuse_too_early_or_nobody(machine: Machine) -> None:
    by_hand(machine, "true")
    apply(machine, OWN_ACCOUNTS)
    machine.run(_KEEP)
    for script in (
        (
            f"postconf -P {_OPTION}_client_restrictions=permit_sasl_authenticated,reject"
            f" {_OPTION}_relay_restrictions= {_OPTION}_recipient_restrictions="
        ),
        (
            "postconf -e smtpd_delay_reject=no && "
            f"postconf -P {_OPTION}_client_restrictions=permit_mynetworks,reject"
        ),
    ):
        machine.run(f"{script} && postfix reload")
        assert "everything is applied" in apply(machine, "[submission]\n")
        assert "Nothing to do" in apply(machine, "[submission]\n")
        machine.run(_AGAIN)


def test_what_no_policy_can_say_is_named_and_the_rest_is_a_policy(machine: Machine) -> None:
    by_hand(machine, "true")
    assert "backend.type: must be given" in postfix_auth(
        machine, "plan", policy='[tls]\nsource = "keep"\n[submission]\n', status=2
    )
    # without a certificate, as on Debian 13, all of it is a comment
    untouched = "# in force:\n" + postfix_auth(machine, "policy")
    assert "Nothing to do" in postfix_auth(machine, "plan", policy=untouched)
    apply(machine, POLICY)
    conf = "/etc/postfix/sasl/smtpd.conf"
    machine.run(f"cp -p {conf} /etc/default/saslauthd /root")
    for script, told in (
        ("sed -i 's/^THREADS=.*/THREADS=100/' /etc/default/saslauthd", "backend.threads is 100"),
        (f"sed -i 's/^mech_list.*/mech_list: PLAIN SRP/' {conf}", "mechanisms.offer is PLAIN SRP"),
        (f"sed -i 's/saslauthd$/authdaemond/' {conf}", "passwords are checked by authdaemond"),
        (
            "sed -i 's/^MECHANISMS=.*/MECHANISMS=httpform/' /etc/default/saslauthd",
            "passwords are checked by saslauthd by way of httpform",
        ),
    ):
        machine.run(script)
        policy = postfix_auth(machine, "policy")
        assert f"# set by hand: {told}" in policy, policy
        assert "Nothing to do" in postfix_auth(machine, "plan", policy=policy), policy
        machine.run(f"cp -p /root/smtpd.conf {conf}; cp -p /root/saslauthd /etc/default")
