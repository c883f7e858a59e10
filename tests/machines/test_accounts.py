"""Accounts: made, listed and removed where the back end owns them; tried at both layers with any back end."""

from __future__ import annotations

from tests.machines.machine import LAUNCHER, Machine

_FILE = "/root/policy.toml"
_POLICY = (
    '[tls]\nsource = "self-signed"\nnames = ["mail.example.net"]\n[submission]\n[backend]\ntype = "{}"\n'
)
_USER = (LAUNCHER, "user")


def _apply(machine: Machine, backend: str) -> None:
    machine.write_file(_FILE, _POLICY.format(backend))
    machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes", "--no-test"])


def test_sasldb(machine: Machine) -> None:
    _apply(machine, "auxprop-sasldb")
    machine.run([*_USER, "add", "bob"], stdin="builder\n")
    machine.run([*_USER, "add", "carol@example.org"], stdin="singer\n")
    assert machine.run([*_USER, "list"]).stdout.splitlines() == [
        "bob@mail.example.net  user name: bob",
        "carol@example.org     user name: carol@example.org",
    ]
    for name, password in (("bob", "builder"), ("carol@example.org", "singer")):
        tried = machine.run([*_USER, "check", name], stdin=f"{password}\n").stdout.splitlines()
        assert len(tried) == 7  # the file, and two services with three mechanisms each
        assert all(line.startswith("✓") for line in tried)
    wrong = machine.run([*_USER, "check", "bob"], stdin="wrong\n", check=False)
    assert wrong.status == 1
    assert wrong.stdout.startswith("✓ /etc/sasldb2: bob@mail.example.net is there\n✗ submission, SCRAM")
    machine.run([*_USER, "remove", "bob"])
    gone = machine.run([*_USER, "check", "bob"], stdin="builder\n", check=False)
    assert gone.stdout.startswith("✗ /etc/sasldb2: bob@mail.example.net is not there\n✗")


def test_the_layer_that_fails_is_named(machine: Machine) -> None:
    _apply(machine, "saslauthd-pam")
    machine.run("useradd alice && echo 'alice:wonder land' | chpasswd")
    assert machine.run([*_USER, "add", "eve"], stdin="x\n", check=False).status == 3
    right = machine.run([*_USER, "check", "alice"], stdin="wonder land\n").stdout.splitlines()
    assert [line[0] for line in right] == ["✓"] * 5
    wrong = machine.run([*_USER, "check", "alice"], stdin="wrong\n", check=False)
    assert wrong.status == 1
    assert wrong.stdout.startswith("✗ saslauthd: NO")
    machine.run("gpasswd -d postfix sasl && systemctl restart postfix")
    behind = machine.run([*_USER, "check", "alice"], stdin="wonder land\n", check=False)
    assert behind.stdout.startswith("✓ saslauthd: OK\n✗ submission, PLAIN: 454")
    machine.run("systemctl stop saslauthd")
    down = machine.run([*_USER, "check", "alice"], stdin="wonder land\n", check=False)
    assert down.stdout.startswith("✗ saslauthd: /var/spool/postfix/var/run/saslauthd/mux: ")
