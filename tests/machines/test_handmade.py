"""Hosts that somebody has set up by hand, the way howtos say: what a policy may do to them, and what not."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.machines import mail_clients
from tests.machines.handmade import LOCKED, OWN_ACCOUNTS, PASSWORD, POLICY, USER, apply, by_hand, postfix_auth
from tests.machines.images import Debian, Kind
from tests.machines.machine import LAUNCHER, STRANGER
from tests.machines.mail_clients import SERVER, Login

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

pytestmark = pytest.mark.either_release

_GROUP = POLICY.replace("[mechanisms]", 'allowed_groups = ["mail_login"]\n[mechanisms]')


def sends(machine: Machine, login: Login, sender: str) -> bool:
    """Whether ``login`` may send as ``sender`` to somebody far away. Nothing is sent."""
    done = machine.run(
        ["swaks", "--server", f"{SERVER}:{login.port}", "--tls", "--auth", login.mechanism,
         "--auth-user", login.user, "--auth-password", login.password, "--from", sender,
         "--to", mail_clients.FAR_AWAY, "--quit-after", "RCPT"],
        check=False,
    )  # fmt: skip
    assert "235 2.7.0" in done.stdout, done
    return done.status == 0


def test_locked_logins_and_owned_senders_stay_so_on_a_new_service(machine: Machine) -> None:
    by_hand(
        machine,
        f"""
        echo '{LOCKED} REJECT locked' >/etc/postfix/locked
        echo 'boss@{SERVER} boss' >/etc/postfix/owners
        postconf -e smtpd_sasl_auth_enable=yes smtpd_sender_login_maps=texthash:/etc/postfix/owners \
            'smtpd_sender_restrictions = reject_known_sender_login_mismatch' \
            'smtpd_recipient_restrictions = permit_mynetworks, check_sasl_access texthash:/etc/postfix/locked'
        """,
    )
    assert "reject_known_sender_login_mismatch does nothing without AUTH" in apply(machine, POLICY)
    assert sends(machine, Login(587, "PLAIN", USER, PASSWORD), f"{USER}@{SERVER}")
    assert not sends(machine, Login(587, "PLAIN", USER, PASSWORD), f"boss@{SERVER}")
    assert not sends(machine, Login(587, "PLAIN", LOCKED, PASSWORD), f"{LOCKED}@{SERVER}")


def test_odd_but_valid_settings_are_read_and_do_not_hold_up_what_has_nothing_to_do_with_them(
    machine: Machine,
) -> None:
    by_hand(
        machine,
        """
        echo 'pwcheck_method: saslauthd' >/etc/postfix/sasl/smtpd.conf
        echo 'mech_list: plain,DIGEST-MD5' >>/etc/postfix/sasl/smtpd.conf
        postconf -e smtpd_sasl_auth_enable=YES smtpd_tls_security_level=Verify \
            smtpd_tls_chain_files=/etc/ssl/mail.pem
        """,
    )
    policy = postfix_auth(machine, "policy")
    assert 'level = "encrypt"' in policy
    assert '"DIGEST-MD5"' in policy
    assert "mech_list wants blanks" in postfix_auth(machine, "status")
    assert "relayhost = [a.example.com]" in postfix_auth(
        machine, "plan", policy='[smarthost]\nhost = "a.example.com"\n'
    )


def test_a_port_of_its_own_stays_alive_and_takes_no_password_in_the_clear(machine: Machine) -> None:
    by_hand(
        machine,
        """
        postconf -e smtpd_sasl_auth_enable=yes smtpd_sasl_security_options=noanonymous
        postconf -M 127.0.0.1:10025/inet='127.0.0.1:10025 inet n - y - - smtpd'
        postfix reload
        """,
    )
    assert "127.0.0.1:10025/inet in master.cf offers AUTH as well; kept" in apply(machine, POLICY)
    machine.run("swaks --server 127.0.0.1:10025 --to root --quit-after RCPT --hide-all")
    assert "AUTH" not in machine.run("swaks --server 127.0.0.1:10025 --quit-after EHLO").stdout
    assert "Nothing to do" in apply(machine, POLICY)


_TWICE = """
cat >>/etc/postfix/master.cf <<'END'
submission inet n - y - - smtpd
  -o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=$mua_relay_restrictions
submission inet n - y - - smtpd
  -o { smtpd_tls_security_level = encrypt }
END
postconf -e 'mua_relay_restrictions = permit_sasl_authenticated, reject'
postfix reload
"""


def test_of_a_service_that_is_there_twice_the_last_counts_and_both_go(machine: Machine) -> None:
    by_hand(machine, _TWICE)
    assert "Port 587 STARTTLS required, no AUTH" in " ".join(postfix_auth(machine, "status").split())
    apply(machine, OWN_ACCOUNTS)
    assert "Nothing to do" in apply(machine, OWN_ACCOUNTS)
    apply(machine, f'{OWN_ACCOUNTS}services = ["submissions"]\n')
    assert not machine.run(["ss", "-Hltn", "sport = :587"]).stdout


_TWO_KINDS = """
mkdir -p /etc/postfix/tls
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=old.example.net \
    -addext subjectAltName=DNS:old.example.net -keyout /etc/postfix/tls/k.pem -out /etc/postfix/tls/c.pem
openssl req -x509 -newkey ec:<(openssl ecparam -name prime256v1) -nodes -subj /CN=old.example.net \
    -keyout /etc/postfix/tls/eck.pem -out /etc/postfix/tls/ec.pem
chmod 600 /etc/postfix/tls/*k.pem
postconf -e smtpd_tls_cert_file=/etc/postfix/tls/c.pem smtpd_tls_key_file=/etc/postfix/tls/k.pem \
    smtpd_tls_eccert_file=/etc/postfix/tls/ec.pem smtpd_tls_eckey_file=/etc/postfix/tls/eck.pem
postfix reload
"""


def test_a_certificate_made_by_hand_stays_until_another_is_asked_for(machine: Machine) -> None:
    by_hand(machine, f"bash -euc {shlex.quote(_TWO_KINDS)}")
    found = postfix_auth(machine, "policy")
    assert 'source = "files"' in found
    assert 'certificate = "/etc/postfix/tls/c.pem"' in found
    before = machine.run("postconf -n | grep _tls_.*_file; md5sum /etc/postfix/tls/*").stdout
    apply(machine, found)
    assert machine.run("postconf -n | grep _tls_.*_file; md5sum /etc/postfix/tls/*").stdout == before
    apply(machine, OWN_ACCOUNTS)
    shown = machine.run(
        f"openssl s_client -connect {SERVER}:465 </dev/null | openssl x509 -noout -ext subjectAltName"
    )
    assert SERVER in shown.stdout
    assert machine.run("postconf -h smtpd_tls_eccert_file").stdout == "\n"


def test_each_address_of_a_port_is_treated_alike(machine: Machine) -> None:
    by_hand(
        machine,
        f"""
        for address in 127.0.0.1 {STRANGER}; do
            postconf -M $address:smtp/inet="$address:smtp inet n - y - - smtpd" \\
                $address:587/inet="$address:587 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes"
        done
        postconf -MX smtp/inet
        postconf -e smtpd_sasl_auth_enable=yes
        systemctl restart postfix
        """,
    )
    assert "offers AUTH as well" not in apply(machine, POLICY)
    for address in ("127.0.0.1", STRANGER):
        clear = machine.run(f"swaks --server {address}:587 --quit-after EHLO", check=False).stdout
        assert "STARTTLS" in clear
        assert "AUTH" not in clear
        assert "AUTH" not in machine.run(f"swaks --server {address}:25 --quit-after EHLO").stdout
    assert not mail_clients.relays(machine, 587)
    assert "Nothing to do" in apply(machine, POLICY)


def test_whoever_logs_in_on_port_25_relays_past_restrictions_of_before_2_10(machine: Machine) -> None:
    by_hand(
        machine,
        """
        postconf -e smtpd_relay_restrictions= \
            'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination'
        postfix reload
        """,
    )
    apply(machine, f"{POLICY}auth_on_smtp = true\n")
    assert sends(machine, Login(25, "PLAIN", USER, PASSWORD), f"{USER}@{SERVER}")
    assert not mail_clients.relays(machine, 25)
    assert "Nothing to do" in apply(machine, f"{POLICY}auth_on_smtp = true\n")


def test_a_domain_behind_a_system_user_opens_nothing_where_nobody_is_used_to_it(machine: Machine) -> None:
    by_hand(machine, "pgrep saslauthd && exit 1; true")
    told = apply(machine, POLICY.replace("[mechanisms]", '[mechanisms]\nplaintext = "always"'))
    assert "without -r" not in told
    assert "up to 8 hours" in told
    assert "passwords may cross the network unencrypted" in told
    logins = [Login(587, "PLAIN", user, PASSWORD) for user in (USER, f"{USER}@evil.example")]
    assert mail_clients.replies(machine, logins) == ["235", "535"]
    # the same where everybody has used another back end so far
    told = [apply(machine, text) for text in (POLICY.replace("saslauthd-pam", "auxprop-sasldb"), POLICY)][1]
    assert "without -r" not in told
    assert mail_clients.replies(machine, logins) == ["235", "535"]
    machine.run("postconf -e inet_interfaces=loopback-only")
    told = postfix_auth(
        machine, "plan", policy=f'{POLICY}[authorization]\nlocal_domain = "{SERVER}"\n', status=0
    )
    assert "nothing may depend on the domain of a login" in told
    assert "; no -r: user@domain looked up as one name would be found nowhere" in told
    assert "open on 127.0.0.1 and ::1 only" in told


_INSTANCE = "/etc/default/saslauthd-postfix"


def test_an_instance_of_saslauthd_is_the_one_that_counts_if_smtpd_asks_it(boot: Boot, debian: Debian) -> None:
    if debian is not Debian.BOOKWORM:
        pytest.skip("its saslauthd has no instances")
    machine = boot(Kind.MAIL)
    by_hand(
        machine,
        f"""
        echo START=yes >>/etc/default/saslauthd
        {{ echo START=yes; echo NAME=saslauthd-postf; echo MECHANISMS=sasldb; echo THREADS=3
           echo 'OPTIONS="-m /var/spool/postfix/var/run/saslauthd"'; }} >{_INSTANCE}
        dpkg-statoverride --add root sasl 710 /var/spool/postfix/var/run/saslauthd
        gpasswd -a postfix sasl
        printf old | saslpasswd2 -p -c -u mail olga
        printf 'pwcheck_method: saslauthd\\nmech_list: PLAIN LOGIN\\n' >/etc/postfix/sasl/smtpd.conf
        postconf -e smtpd_sasl_auth_enable=yes smtpd_tls_auth_only=yes
        postconf -M submission/inet='submission inet n - y - - smtpd'
        systemctl restart saslauthd postfix
        """,
    )
    usual = machine.read_file("/etc/default/saslauthd")
    policy = postfix_auth(machine, "policy")
    assert 'type = "saslauthd-sasldb"\nthreads = 3\n' in policy
    assert f"saslauthd for sasldb, set up in {_INSTANCE}, running" in postfix_auth(machine, "status")
    assert "# write-file: /etc/default" not in postfix_auth(machine, "plan", policy=policy)
    checked = machine.run([LAUNCHER, "user", "check", "olga"], stdin="old\n", check=False)
    assert "✓ saslauthd: OK" in checked.stdout

    shadow = POLICY.replace("saslauthd-pam", "saslauthd-shadow")
    apply(machine, shadow)
    assert "Nothing to do" in apply(machine, shadow)
    logins = [Login(587, "PLAIN", USER, PASSWORD), Login(587, "PLAIN", "olga", "old")]
    assert mail_clients.replies(machine, logins) == ["235", "535"]
    machine.reboot()
    machine.wait_for_port(587)
    assert mail_clients.replies(machine, logins) == ["235", "535"]
    assert machine.read_file("/etc/default/saslauthd") == usual
    unchrooted = f'{shadow}chroot = "no"\nauth_on_smtp = false\n'
    assert "/etc/default/saslauthd starts a saslauthd" in postfix_auth(
        machine, "plan", policy=unchrooted, status=3
    )


def test_a_realm_that_one_port_has_of_its_own_is_that_of_a_new_one_and_two_are_named(
    machine: Machine,
) -> None:
    by_hand(
        machine,
        """
        printf 'pwcheck_method: saslauthd\\nmech_list: digest-md5 cram-md5\\n' >/etc/postfix/sasl/smtpd.conf
        postconf -M submission/inet='submission inet n - n - - smtpd'
        postconf -P submission/inet/smtpd_sasl_auth_enable=yes \\
            submission/inet/smtpd_sasl_local_domain=myhost.example.org \\
            submission/inet/smtpd_sasl_security_options=noanonymous,noplaintext \\
            submission/inet/smtpd_sasl_tls_security_options=noanonymous
        systemctl restart postfix
        """,
    )
    plain = POLICY.replace("saslauthd-pam", "saslauthd-sasldb")
    sasldb = POLICY.replace("saslauthd-pam", "auxprop-sasldb").replace("[mechanisms]\n", "")
    for policy in (sasldb, plain):
        apply(machine, policy)
        assert "Nothing to do" in apply(machine, policy)
    realm = "submissions/inet/smtpd_sasl_local_domain"
    assert machine.run(f"postconf -Ph {realm}").stdout == "myhost.example.org\n"
    machine.run(f"postconf -P {realm}=example.net && postfix reload")
    told = " ".join(postfix_auth(machine, "status").split())
    assert all(
        text in told for text in ("myhost.example.org for submission/inet", "example.net for submissions")
    )
    postfix_auth(machine, "test")
    for policy in (sasldb, plain):
        apply(machine, policy)
    apply(machine, f'{plain}[authorization]\nlocal_domain = "example.org"\n')
    assert machine.run("postconf -P | grep -c 'local_domain = example.org'").stdout == "2\n"


def test_a_list_of_groups_made_by_hand_is_read_back_kept_and_edited_where_it_is(machine: Machine) -> None:
    by_hand(
        machine,
        f"""
        groupadd mail_login && usermod -aG mail_login {USER}
        printf '# who may send\\nmail_login\\n' >/etc/pam.d/mail_auth_group.allow
        {{ echo 'auth required pam_listfile.so onerr=fail item=group sense=allow' \\
               file=/etc/pam.d/mail_auth_group.allow
           echo '@include common-auth'; echo '@include common-account'; }} >/etc/pam.d/smtp
        """,
    )
    assert "mail_auth_group.allow may log in (/etc/pam.d/smtp); kept" in apply(machine, POLICY)
    assert '"mail_login",\n' in postfix_auth(machine, "policy")
    logins = [Login(587, "PLAIN", user, PASSWORD) for user in (USER, LOCKED)]
    assert mail_clients.replies(machine, logins) == ["235", "535"]
    path = "/etc/pam.d/mail_auth_group.allow"
    for spoil, said in (
        (f"printf '# who may send\\nmail_login\\t\\n' >{path}", "PAM takes the blanks"),
        (f"chmod 666 {path}", "is writable for all"),
        (f"mv {path} /etc/list && ln -s /etc/list {path}", "is a link"),
        (f"rm {path}", "is missing, so /etc/pam.d/smtp lets nobody in"),
    ):
        machine.run(f"{spoil}; systemctl restart saslauthd")
        assert mail_clients.replies(machine, logins) == ["535", "535"], spoil
        assert all(said in postfix_auth(machine, command) for command in ("policy", "status"))
        checked = machine.run([LAUNCHER, "user", "check", USER], stdin=f"{PASSWORD}\n", check=False).stdout
        assert said in " ".join(checked.split())
        assert "; kept" in postfix_auth(machine, "plan", policy=POLICY)
        if "link" in said:
            assert "put the list itself there" in postfix_auth(machine, "plan", policy=_GROUP, status=3)
            continue
        apply(machine, _GROUP)
        assert mail_clients.replies(machine, logins) == ["235", "535"], spoil
        assert "Nothing to do" in postfix_auth(machine, "plan", policy=_GROUP)
    machine.run(f"echo '# who may send' >{path}; echo mail_login >>{path}")
    apply(machine, POLICY.replace("[mechanisms]", f'allowed_groups = ["{LOCKED}"]\n[mechanisms]'))
    assert machine.read_file("/etc/pam.d/mail_auth_group.allow") == f"# who may send\n{LOCKED}\n"
    assert mail_clients.replies(machine, logins[1:]) == ["235"]


def test_nothing_of_an_old_howto_lowers_the_smarthosts_tls_or_hides_its_mechanisms(machine: Machine) -> None:
    by_hand(
        machine,
        """
        postconf -e smtp_use_tls=yes smtp_sasl_auth_enable=yes smtp_sasl_security_options= \\
            smtp_sasl_tls_verified_security_options='$smtp_sasl_security_options' \\
            smtp_tls_per_site=texthash:/etc/postfix/tls_sites
        postconf -P smtp/unix/smtp_tls_security_level=may
        printf secret >/root/relay.password && chmod 600 /root/relay.password
        """,
    )
    told = apply(
        machine,
        '[smarthost]\nhost = "relay.example.com"\nuser = "u"\npassword_file = "/root/relay.password"\n',
    )
    assert told.index("/etc/postfix/sasl_passwd.db\n") < told.index("/etc/postfix/main.cf\n")
    assert "smtp_tls_per_site is in use and counts before smarthost.tls" in told
    verified = "smtp_sasl_tls_verified_security_options"
    assert machine.run(f"postconf -hx {verified}").stdout == "noanonymous\n"
    assert machine.run("postconf -P smtp/unix/smtp_tls_security_level").stdout.endswith("= secure\n")


def test_a_service_that_shuts_users_out_or_wraps_the_wrong_port_is_opened_to_users_only(
    machine: Machine,
) -> None:
    by_hand(
        machine,
        f"""
        echo '{LOCKED} REJECT locked' >/etc/postfix/locked
        postconf -e smtpd_tls_wrappermode=yes
        postconf -M submission/inet='submission inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes'
        postconf -P submission/inet/smtpd_client_restrictions=permit_mynetworks,reject \\
            submission/inet/smtpd_sender_restrictions=check_sasl_access,texthash:/etc/postfix/locked,reject
        postconf -P smtp/inet/smtpd_tls_wrappermode=no
        """,
    )
    apply(machine, POLICY)
    assert sends(machine, Login(587, "PLAIN", USER, PASSWORD), f"{USER}@{SERVER}")
    assert not sends(machine, Login(587, "PLAIN", LOCKED, PASSWORD), f"{LOCKED}@{SERVER}")
    assert not mail_clients.relays(machine, 587)
    assert "Nothing to do" in apply(machine, POLICY)


def test_what_turns_strangers_away_holds_for_users_only_where_they_are_used_to_it(machine: Machine) -> None:
    by_hand(
        machine,
        f"""
        echo '{LOCKED} REJECT locked' >/etc/postfix/locked
        postconf -e 'smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname' \\
            'smtpd_helo_restrictions = reject_unknown_helo_hostname' \\
            'smtpd_sender_restrictions = check_sasl_access texthash:/etc/postfix/locked, reject_rbl_client x'
        postconf -M submission/inet='submission inet n - n - - smtpd' \\
            submissions/inet='submissions inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes'
        """,
    )
    kept = "the service submissions keeps reject_unknown_client_hostname (smtpd_client_restrictions), "
    told = apply(machine, POLICY)
    assert kept in told
    assert "the service submission keeps" not in told
    assert sends(machine, Login(587, "PLAIN", USER, PASSWORD), f"{USER}@{SERVER}")
    assert not sends(machine, Login(587, "PLAIN", LOCKED, PASSWORD), f"{LOCKED}@{SERVER}")
    assert not mail_clients.relays(machine, 587)
    assert machine.run("postconf -P submissions/inet/smtpd_client_restrictions").stdout == ""
    assert "Nothing to do" in apply(machine, POLICY)
