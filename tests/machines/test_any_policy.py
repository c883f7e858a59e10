"""Whatever policy is accepted: its plan changes no other parameter, service, account or file than its own."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, TypedDict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.test_policy_properties import HOSTILE, names, offers, submissions, threads
from wizard.errors import PolicyError
from wizard.policy import (
    Authorization,
    AuxpropSasldb,
    Mechanisms,
    Plaintext,
    Policy,
    SaslauthdPam,
    SaslauthdShadow,
    Smarthost,
    SmarthostTls,
    Tls,
    TlsLevel,
    TlsSource,
)
from wizard.policyfields import check_field
from wizard.policyfile import parse, render

if TYPE_CHECKING:
    from tests.machines.machine import Machine

_MOST = 60  # policies tried on each Debian
_PASSWORD = """-$x %s# "'\\{}é:,"""


def _texts(key: str) -> st.SearchStrategy[str]:
    """Return what the field ``key`` accepts, the strangest of it."""
    return (HOSTILE | names).filter(lambda text: check_field(key, text) is None)


_SMARTHOSTS = st.builds(
    Smarthost,
    _texts("smarthost.host"),
    st.integers(1, 65535),
    _texts("smarthost.user"),
    st.just("/root/password"),
    st.sampled_from(SmarthostTls),
)
_POLICIES = st.builds(
    Policy,
    st.none()
    | st.just(AuxpropSasldb())
    | st.builds(SaslauthdPam, threads=threads, cache=st.booleans())
    | st.builds(SaslauthdShadow, threads=threads, cache=st.booleans()),
    st.none() | st.builds(Mechanisms, offers, st.sampled_from(Plaintext), st.booleans()),
    st.none()
    | st.builds(
        Tls,
        st.just(TlsSource.SELF_SIGNED),
        names=st.lists(_texts("tls.names"), min_size=1, max_size=3, unique=True).map(tuple),
        level=st.sampled_from(TlsLevel),
    ),
    st.none() | submissions,
    st.none() | st.builds(Authorization, _texts("authorization.local_domain")),
    st.none() | _SMARTHOSTS,
)


def _policies() -> list[str]:
    """Return the texts of policies that are accepted, the same in each run."""
    found: dict[str, None] = {}

    @settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=4 * _MOST,
        suppress_health_check=list(HealthCheck),
    )
    @given(_POLICIES)
    def collect(policy: Policy) -> None:
        try:
            found[render(parse(render(policy)))] = None
        except PolicyError:
            return

    collect()
    return list(found)[-_MOST:]


class Planned(TypedDict):
    """What came of one policy; ``refused`` is empty or says why there is no plan."""

    refused: str
    kinds: list[tuple[str, str]]
    parameters: list[str]
    services: list[str]


#: Plans each policy, and lets Postfix read the files as they would be. Prints what differs from now.
_PLANNER = """
import json, os, subprocess, sys, tempfile
from pathlib import Path
from wizard import engine, policyfile
from wizard.changes import WriteFile
from wizard.errors import WizardError
from wizard.root import Root

def postconf(directory, *options):
    run = subprocess.run(["postconf", "-c", directory, *options], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()

def read(directory):
    parameters = dict(line.split(" =", 1) for line in postconf(directory))
    for name in ("config_directory", "process_id"):
        del parameters[name]
    services = {tuple(line.split()[:2]): line.split() for line in postconf(directory, "-M")}
    for line in postconf(directory, "-P"):
        name, _, value = line.partition(" =")
        services.setdefault(tuple(name.split("/")[:2]), []).append((name, value))
    return parameters, services

def changed(before, after):
    return sorted(key if isinstance(key, str) else "/".join(key)
                  for key in before.keys() | after.keys() if before.get(key) != after.get(key))

found = []
now = None
for text in json.load(sys.stdin):
    try:
        plan = engine.plan(policyfile.parse(text), engine.observe(Root()))
    except WizardError as error:
        found.append({"refused": str(error)})
        continue
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("main.cf", "master.cf"):
            Path(scratch, name).write_bytes(Path("/etc/postfix", name).read_bytes())
            os.utime(Path(scratch, name), (0, 0))
        now = now or read(scratch)
        for change in plan.changes:
            if isinstance(change, WriteFile) and change.path.startswith("/etc/postfix/ma"):
                Path(scratch, Path(change.path).name).write_bytes(change.after)
                os.utime(Path(scratch, Path(change.path).name), (0, 0))
        then = read(scratch)
    found.append({
        "refused": "",
        "kinds": [(change.kind, change.target) for change in plan.changes],
        "parameters": changed(now[0], then[0]),
        "services": changed(now[1], then[1]),
    })
print(json.dumps(found))
"""
#: What the sections may touch. Whatever is not named here is somebody else's.
_SERVER = r"smtpd_(sasl|tls)_\w+|broken_sasl_auth_clients|smtpd_relay_restrictions"
_CLIENT = r"relayhost|smtp_(sasl|tls)_\w+|smtp_dns_support_level|tls_required_enable"
_LISTENERS = {"smtp/inet", "submission/inet", "submissions/inet"}
_SERVER_TARGETS = {
    "group sasl", "/etc/sasldb2", "/etc/default/saslauthd", "/etc/pam.d/smtp",
    "/var/spool/postfix/var/run/saslauthd", "/var/spool/postfix/var/spool/postfix",
    "/etc/systemd/system/saslauthd.service.d/postfix-auth.conf",
    "/etc/postfix/sasl/smtpd.conf", "/etc/postfix/main.cf", "/etc/postfix/master.cf",
    "enable saslauthd", "start saslauthd", "restart saslauthd", "reload postfix", "restart postfix",
}  # fmt: skip
_CLIENT_TARGETS = {
    "/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/postfix/sasl_passwd",
    "/etc/postfix/sasl_passwd.db", "reload postfix",
}  # fmt: skip


def test_a_plan_touches_nothing_of_others(machine: Machine) -> None:
    machine.write_file("/root/password", f"{_PASSWORD}\n", mode=0o600)
    texts = _policies()
    found: list[Planned] = json.loads(machine.python(_PLANNER, stdin=json.dumps(texts), timeout=300).stdout)
    assert sum(not planned["refused"] for planned in found) > _MOST / 3, found
    for text, planned in zip(texts, found, strict=True):
        if not planned["refused"]:
            _only_its_own(parse(text), planned)


def _only_its_own(policy: Policy, planned: Planned) -> None:
    server = dataclasses.replace(policy, smarthost=None) != Policy()
    own = "|".join([*([_SERVER] if server else []), *([_CLIENT] if policy.smarthost else [])]) or "nothing"
    assert [name for name in planned["parameters"] if not re.fullmatch(own, name)] == [], policy
    assert set(planned["services"]) <= (_LISTENERS if server else set()), policy
    targets = (_SERVER_TARGETS if server else set()) | (_CLIENT_TARGETS if policy.smarthost else set())
    if policy.tls:
        targets |= {f"/etc/postfix/tls/{policy.tls.names[0]}.pem"}
    assert {target for _, target in planned["kinds"]} <= targets, policy
