"""Properties that hold for every policy: nothing hostile gets in, what is written reads back the same."""

from __future__ import annotations

import dataclasses
import re
import string
from typing import get_args, get_type_hints

from hypothesis import given, settings
from hypothesis import strategies as st

from wizard.errors import PolicyError
from wizard.policy import (
    BACKENDS,
    AuxpropSasldb,
    Backend,
    Mechanisms,
    Policy,
    SaslauthdPam,
    SaslauthdRimap,
    Smarthost,
    Submission,
    Tls,
    TlsSource,
)
from wizard.policyfields import SECTIONS, fields_of
from wizard.policyfile import parse, render
from wizard.syntax import MECHANISMS

FORMS = [("backend", form) for form in get_args(Backend)] + list(SECTIONS.items())
TEXT_KEYS = sorted(
    {field.key for section, form in FORMS for field in fields_of(section, form).values() if field.kind is str}
    | {f"{s}.{k}" for s, form in FORMS for k, kind in get_type_hints(form).items() if kind == tuple[str, ...]}
)
HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet=string.ascii_letters + string.digits + "/.:-_$#,'\"[]\\{}%u \n\r\t\0", max_size=40),
    st.from_regex(re.compile(r"/[ -~]{0,30}"), fullmatch=True),
)
#: The rest of a valid section around one key under test.
AROUND: dict[str, str] = {
    "saslauthd-rimap": 'server = "a"',
    "saslauthd-ldap": 'servers = ["ldap://a"]\nsearch_base = "o=a"\nbind_dn = "cn=a"\npassword_file = "/p"',
    "auxprop-sql": 'engine = "mysql"\ndatabase = "d"\nselect = "\'%u\'"\nuser = "u"\npassword_file = "/p"',
    "auxprop-ldapdb": 'uri = "ldap://a"\nid = "i"\npassword_file = "/p"',
    "tls": 'source = "self-signed"\nnames = ["a.example"]',
    "smarthost": 'host = "a"\nuser = "u"\npassword_file = "/p"',
}


def _around(key: str) -> tuple[str, Policy]:
    """Return the section's name and a valid policy in which ``key`` exists."""
    section, _, name = key.partition(".")
    if section != "backend":
        return section, parse(f"[{section}]\n{AROUND.get(section, '')}\n")
    kind = next(kind for kind, form in BACKENDS.items() if name in fields_of("backend", form))
    return section, parse(f'[backend]\ntype = "{kind}"\n{AROUND.get(kind, "")}\n')


@settings(deadline=None)
@given(key=st.sampled_from(TEXT_KEYS), value=HOSTILE)
def test_any_text_in_any_field_is_refused_with_its_key_or_comes_back_exactly(key: str, value: str) -> None:
    section, policy = _around(key)
    name = key.partition(".")[2]
    before = getattr(policy, section)
    content = (value,) if isinstance(getattr(before, name), tuple) else value
    changed = dataclasses.replace(policy, **{section: dataclasses.replace(before, **{name: content})})
    try:
        parsed = parse(render(changed))
    except PolicyError as refused:
        assert refused.key.startswith(f"{section}.")
        assert refused.message
    else:
        assert parsed == changed
        assert value.isprintable()
        assert value == value.strip()


@settings(deadline=None)
@given(st.text() | st.binary())
def test_no_text_at_all_breaks_the_parser(text: str | bytes) -> None:
    try:
        assert isinstance(parse(text), Policy)
    except PolicyError as refused:
        assert str(refused)


names = st.from_regex(re.compile(r"[a-z][a-z0-9-]{0,10}[a-z](\.[a-z]{2,5}){0,2}"), fullmatch=True)
paths = st.from_regex(re.compile(r"(/[a-z][a-z0-9.@:_-]{0,8}){1,4}"), fullmatch=True)
groups = st.from_regex(re.compile(r"[a-z_][a-z0-9_-]{0,31}"), fullmatch=True)
offers = st.lists(st.sampled_from(MECHANISMS), unique=True).map(tuple)
several_names = st.lists(names, min_size=1, unique=True, max_size=4).map(tuple)
threads = st.integers(1, 64)
backends = st.one_of(
    st.builds(
        SaslauthdPam, threads=threads, allowed_groups=st.lists(groups, unique=True, max_size=3).map(tuple)
    ),
    st.builds(SaslauthdRimap, names, st.integers(1, 65535), threads=threads, cache=st.booleans()),
    st.just(AuxpropSasldb()),
)
tls_sections = st.one_of(
    st.builds(Tls, st.just(TlsSource.FILES), paths, paths),
    st.builds(Tls, st.sampled_from([TlsSource.SELF_SIGNED, TlsSource.PRIVATE_CA]), names=several_names),
)
submissions = st.builds(Submission, st.sampled_from([("submission",), ("submissions", "submission"), ()]))
smarthosts = st.builds(Smarthost, names | st.ip_addresses().map(str), st.integers(1, 65535), names, paths)


@settings(deadline=None)
@given(
    st.builds(
        Policy,
        st.none() | st.just(AuxpropSasldb()),
        st.none() | st.builds(Mechanisms, offers),
        st.none() | tls_sections,
        st.none() | submissions,
        smarthost=st.none() | smarthosts,
    )
    | st.builds(Policy, backends)
)
def test_what_is_written_reads_back_the_same(policy: Policy) -> None:
    assert parse(render(policy)) == policy
