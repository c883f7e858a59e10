"""Submission is planned for the configurations of others; Postfix's own postconf says what comes of it.

What is meant to change is written down here once more, without a look into what the recipes think.
"""

from __future__ import annotations

import difflib
import json
import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import pytest

from tests import corpus
from wizard.errors import ParseError
from wizard.formats import shellvars, smtpdconf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.machines.machine import Machine

PARAMETERS = {  # main.cf parameter: what it may become
    "broken_sasl_auth_clients": "no",
    "cyrus_sasl_config_path": "/etc/postfix/sasl",
    "smtpd_sasl_path": "smtpd",
    "smtpd_sasl_security_options": "noanonymous, noplaintext",
    "smtpd_sasl_tls_security_options": "noanonymous",
    "smtpd_sasl_type": "cyrus",
    "smtpd_tls_cert_file": "/etc/postfix/tls/mail.example.net.pem",
    "smtpd_tls_chain_files": "/etc/postfix/tls/mail.example.net.key, /etc/postfix/tls/mail.example.net.pem",
    "smtpd_tls_key_file": "/etc/postfix/tls/mail.example.net.key",
    "smtpd_tls_loglevel": "1",
    "smtpd_tls_mandatory_protocols": ">=TLSv1.2",
    "smtpd_tls_security_level": "may",
}
PORTS = {"25": {"smtp", "25"}, "587": {"submission", "587"}, "465": {"submissions", "smtps", "465"}}
USERS_ONLY = "permit_sasl_authenticated,reject"
_SECURITY = {"noanonymous", "noanonymous, noplaintext", "noanonymous,noplaintext"}
OPTIONS = {  # master.cf option, on which ports: what it may become
    "smtpd_sasl_auth_enable": ({"587", "465"}, {"yes"}),
    "smtpd_tls_wrappermode": ({"587", "465"}, {"yes", "no"}),
    "smtpd_tls_security_level": ({"587", "25"}, {"encrypt", "may"}),
    "smtpd_tls_auth_only": ({"587", "25", ""}, {"yes"}),
    "smtpd_relay_restrictions": ({"587", "465"}, {USERS_ONLY}),
    "smtpd_recipient_restrictions": ({"587", "465"}, {USERS_ONLY}),
    "smtpd_sasl_type": ({"587", "465", "25", ""}, {"cyrus"}),
    "smtpd_sasl_path": ({"587", "465", "25", ""}, {"smtpd"}),
    "smtpd_sasl_security_options": ({"587", "465", "25", ""}, _SECURITY),
    "smtpd_sasl_tls_security_options": ({"587", "465", "25", ""}, {"noanonymous"}),
    "broken_sasl_auth_clients": ({"587", "465", "25", ""}, {"no"}),
}

Pairs = dict[str, str]


class Case:
    """One configuration before and after, as the judge on the machine has seen it."""

    def __init__(self, given: dict[str, bytes], told: dict[str, object]) -> None:
        self.given, self.told = given, told
        after = told.get("files", {})
        assert isinstance(after, dict)
        self.files = {name: b64decode(text) for name, text in after.items()}

    def seen(self, when: str, what: str) -> Pairs:
        found = self.told[when]
        assert isinstance(found, dict)
        pairs: Pairs = found[what]
        return pairs

    def changed(self, what: str) -> dict[str, tuple[str, str]]:
        """Return what postconf reads otherwise than before: name -> (before, after)."""
        before, after = self.seen("before", what), self.seen("after", what)
        return {
            name: (before.get(name, ""), after.get(name, ""))
            for name in before.keys() | after.keys()
            if before.get(name) != after.get(name)
        }


def port(service: str) -> str:
    """Return the port of ``submission/inet``, ``127.0.0.1:587/inet``; empty for all others."""
    name, _, kind = service.rpartition("/")
    return next((p for p, names in PORTS.items() if kind == "inet" and name.rsplit(":")[-1] in names), "")


def value_at(case: Case, number: str, parameter: str) -> str:
    """Return what ``parameter`` is afterwards for the service on the port ``number``."""
    services = {name.rpartition("/")[0] for name in case.seen("after", "services")}
    options, parameters = case.seen("after", "options"), case.seen("after", "parameters")
    # behind postscreen another one answers
    behind = "smtpd/pass" if number == "25" else ""
    own = (f"{service}/{parameter}" for service in services if port(service) == number or service == behind)
    return next((options[name] for name in own if name in options), parameters[parameter])


def wrong(case: Case) -> Iterator[str]:
    """Yield everything that is not as it should be."""
    told = case.told
    if told["refusal"]:
        yield from _wrong_refusal(case)
    elif "error" in told:
        # a template, which no Postfix could run with
        if "queue_directory = PH_QUEUE_DIRECTORY" not in str(told["error"]) or not told["unchanged"]:
            yield f"refused, though Postfix reads it: {told['error']}"
    else:
        yield from _wrong_parameters(case)
        yield from _wrong_services(case)
        yield from _wrong_text(case)
        if told["again"]:
            yield f"the second plan is not empty: {told['again']}"


def _wrong_refusal(case: Case) -> Iterator[str]:
    refusal, error = str(case.told["refusal"]), case.told.get("error")
    if not case.told["unchanged"]:
        yield "refused, but changed"
    if not isinstance(error, list) or error[0] != 3:
        yield f"Postfix refuses it ({refusal}), the plan says {error}"
        return
    line = re.search(r"line (\d+)", refusal)
    [name] = case.given
    where = re.match(rf"/etc/postfix/{name}, line (\d+): ", error[1])
    if not where or (line and where[1] != line[1]):
        yield f"not the line that Postfix names: {error[1]!r} for {refusal!r}"


def _wrong_parameters(case: Case) -> Iterator[str]:
    for name, (before, after) in case.changed("parameters").items():
        if PARAMETERS.get(name) != after:
            yield f"main.cf: {name} was {before!r} and is {after!r}"
    values = case.seen("after", "parameters")
    level = value_at(case, "25", "smtpd_tls_security_level") or {"yes": "may"}.get(values["smtpd_use_tls"])
    if values["smtpd_sasl_type"] != "cyrus" or level != "may":
        yield f"main.cf: not what was asked for: SASL {values['smtpd_sasl_type']}, TLS {level}"
    chain, single = values["smtpd_tls_chain_files"], values["smtpd_tls_cert_file"]
    if chain != PARAMETERS["smtpd_tls_chain_files"] and (
        chain or single != PARAMETERS["smtpd_tls_cert_file"]
    ):
        yield f"main.cf: the certificate would be {chain or single}"


def _wrong_services(case: Case) -> Iterator[str]:
    """The columns, and then the options of each service."""
    new = {name.rpartition("/")[0] for name, (before, _) in case.changed("services").items() if before == ""}
    for name, (before, after) in case.changed("services").items():
        options_apart = name.endswith("/command") and before.split()[:1] == after.split()[:1] == ["smtpd"]
        if name.rpartition("/")[0] not in new and not options_apart:
            yield f"master.cf: {name} was {before!r} and is {after!r}"
    if not new <= {"submission/inet", "submissions/inet"}:
        yield f"master.cf: unexpected services {new}"
    for name, (before, after) in case.changed("options").items():
        service, _, option = name.rpartition("/")
        if service in new:
            continue
        ports, values = OPTIONS.get(option, (set(), set()))
        off_at_25 = (option, port(service), after) == ("smtpd_sasl_auth_enable", "25", "no")
        if not off_at_25 and (port(service) not in ports or after not in values):
            yield f"master.cf: {name} was {before!r} and is {after!r}"
    for number in ("587", "465"):
        yield from _wrong_service(case, number)


def _wrong_service(case: Case, number: str) -> Iterator[str]:
    services = {name.rpartition("/")[0] for name in case.seen("after", "services")}
    found = [service for service in services if port(service) == number]
    if not found:
        yield f"master.cf: nothing on port {number}"
        return

    def value(name: str) -> str:
        return value_at(case, number, name)

    if value("smtpd_sasl_auth_enable") != "yes":
        yield f"port {number}: no AUTH"
    secure = (
        value("smtpd_tls_wrappermode") == "yes" if number == "465" else value("smtpd_tls_auth_only") == "yes"
    )
    # what somebody has set for that very service stays, and is named
    before = case.seen("before", "options")
    kept = number == "587" and any(before.get(f"{s}/smtpd_tls_wrappermode") == "yes" for s in found)
    if (value("smtpd_tls_wrappermode") == "yes") != (number == "465" or kept):
        yield f"port {number}: TLS from the start is wrong here, or missing"
    if not secure and value("smtpd_tls_security_level") != "encrypt":
        yield f"port {number}: AUTH without TLS"


def _wrong_text(case: Case) -> Iterator[str]:
    """Compare the lines: none is lost but those of what had to change, and their ends stay as they were."""
    names = {*case.changed("parameters"), *(n.rpartition("/")[2] for n in case.changed("options"))}
    for file, before in case.given.items():
        after = case.files[file]
        for line, owner in _lost(before.splitlines(), after.splitlines()):
            if line.lstrip().startswith(b"#") or not any(name.encode() in line + owner for name in names):
                yield f"{file}: the line {line!r} is lost"
        if before.endswith(b"\n") != after.endswith(b"\n"):
            yield f"{file}: the end of the last line has changed"
        if _all_dos(before) and not _all_dos(after):
            yield f"{file}: the ends of the lines have changed"


def _lost(old: list[bytes], new: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each line that is gone, and what it was a continuation of: the start of a parameter."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, start, end, _, _ in matcher.get_opcodes():
        for at in range(start, end) if kind in ("delete", "replace") else ():
            starts = (line for line in reversed(old[: at + 1]) if line[:1].isalpha())
            yield old[at], next(starts, b"").partition(b"=")[0]


def _all_dos(text: bytes) -> bool:
    return b"\r\n" in text and all(part.endswith(b"\r") for part in text.split(b"\n")[:-1])


@pytest.mark.parametrize("kind", ["main.cf", "master.cf"])
def test_submission_for_configurations_of_others(machine: Machine, kind: str) -> None:
    files = corpus.files(kind)
    cases = {name: {kind: b64encode(data).decode()} for name, data in files.items()}
    code = "from tests.machines.judging import main; main()"
    lines = machine.python(code, stdin=json.dumps(cases), timeout=300).stdout.splitlines()
    told = {str(found["name"]): found for found in map(json.loads, lines)}
    assert told.keys() == files.keys()
    problems = {
        name: found for name, data in files.items() if (found := list(wrong(Case({kind: data}, told[name]))))
    }
    assert problems == {}
    assert [name for name in files if corpus.refused(name) and not told[name]["refusal"]] == []
    assert (
        sum(1 for one in told.values() if "after" in one)
        >= len([n for n in files if n.startswith("data/")]) - 2
    )


def ask(machine: Machine, reader: str, texts: dict[str, tuple[bytes, list[str]]]) -> dict[str, Read]:
    """Ask libsasl or sh what they read for some keys; None: it can't be read."""
    cases = {name: (b64encode(text).decode(), keys) for name, (text, keys) in texts.items()}
    code = "from tests.machines.libsasl import main; main()"
    found: dict[str, Read] = json.loads(machine.python(code, reader, stdin=json.dumps(cases)).stdout)
    return found


Read = dict[str, str | None] | None


def test_smtpd_conf_is_read_as_libsasl_reads_it(machine: Machine) -> None:
    files = corpus.files("smtpd.conf")
    ours: dict[str, Read] = {}
    edited: dict[str, bytes] = {}
    for name, data in files.items():
        try:
            ours[name] = dict(smtpdconf.read(name, data).keys)
            edited[name] = smtpdconf.edit(name, data, [smtpdconf.SetKey("mech_list", "PLAIN LOGIN")])
        except ParseError:
            ours[name] = None
    keys = {name: sorted({*(found or ()), "mech_list", "pwcheck_method"}) for name, found in ours.items()}
    told = ask(machine, "libsasl", {name: (files[name], keys[name]) for name in files})
    for name, found in ours.items():
        wish = None if found is None else {key: found.get(key) for key in keys[name]}
        assert told[name] == wish, name
    after = ask(machine, "libsasl", {name: (edited[name], keys[name]) for name in edited})
    assert after == {name: (told[name] or {}) | {"mech_list": "PLAIN LOGIN"} for name in edited}


def test_saslauthds_defaults_are_read_as_sh_reads_them(machine: Machine) -> None:
    files = {n: data for n, data in corpus.files("saslauthd.default").items() if not corpus.refused(n)}
    names = ["START", "MECHANISMS", "MECH_OPTIONS", "THREADS", "OPTIONS", "NAME", "DESC"]
    told = ask(machine, "sh", {name: (data, names) for name, data in files.items()})
    edits = [shellvars.SetVariable("THREADS", "11"), shellvars.SetVariable("OPTIONS", "-c -m /x")]
    edited = {name: (shellvars.edit(name, data, edits), names) for name, data in files.items()}
    after = ask(machine, "sh", edited)
    for name, data in files.items():
        found = shellvars.read(name, data)
        assert told[name] == {key: found.get(key, "") for key in names}, name
        assert after[name] == (told[name] or {}) | {"THREADS": "11", "OPTIONS": "-c -m /x"}
