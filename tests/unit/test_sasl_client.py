"""The mechanisms against the examples of their RFCs, and against servers that cheat."""

from __future__ import annotations

import hashlib
import hmac
import pickle
from base64 import b64decode, b64encode
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard.sasl_client import SPOKEN, Credentials, Exchange, SaslError, saslprep
from wizard.secret import Secret

_PASSWORD = "pencil"


def exchange(
    mechanism: str, user: str = "user", password: str = _PASSWORD, *, nonce: str = "", host: str = "localhost"
) -> Exchange:
    return Exchange(mechanism, Credentials(user, Secret(password), host), nonce=nonce)


def test_plain_is_one_message() -> None:
    """RFC 4616, section 4."""
    plain = exchange("PLAIN", "tim", "tanstaaftanstaaf")
    assert plain.initial == b"\0tim\0tanstaaftanstaaf"
    plain.finish()


def test_plain_refuses_what_it_cannot_carry() -> None:
    with pytest.raises(SaslError, match="NUL"):
        exchange("PLAIN", "tim", "a\0b")


def test_plain_sends_a_strange_password_byte_for_byte() -> None:
    password = " \u00aa$#'\"\\ \N{SNOWMAN} "
    assert exchange("PLAIN", "tim", password).initial == b"\0tim\0" + password.encode()


def test_login_answers_two_questions_whatever_they_say() -> None:
    login = exchange("LOGIN", "tim", "secret")
    assert login.initial is None
    assert login.respond(b"Username:") == b"tim"
    assert login.respond(b"") == b"secret"
    with pytest.raises(SaslError, match="more than"):
        login.respond(b"And your PIN:")


def test_login_is_not_over_before_the_password() -> None:
    login = exchange("LOGIN", "tim", "secret")
    login.respond(b"Username:")
    with pytest.raises(SaslError, match="before"):
        login.finish()


def test_cram_md5_example() -> None:
    """RFC 2195, section 2."""
    cram = exchange("CRAM-MD5", "tim", "tanstaaftanstaaf")
    assert cram.initial is None
    answer = cram.respond(b"<1896.697170952@postoffice.reston.mci.net>")
    assert answer == b"tim b913a602c7eda7a495b4e6e7334d3890"
    cram.finish()


_CHALLENGE = b'realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8'


def _digest_response(user: str, password: str, realm: str, uri: str, a2: str) -> str:
    """RFC 2831's formula, written once more straight from section 2.1.2.1."""
    a1 = _md5(_md5(f"{user}:{realm}:{password}".encode()) + b":OA6MG9tEQGm2hh:OA6MHXh6VqTrRk").hex()
    ha2 = _md5(f"{a2}:{uri}".encode()).hex()
    return _md5(f"{a1}:OA6MG9tEQGm2hh:00000001:OA6MHXh6VqTrRk:auth:{ha2}".encode()).hex()


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def test_digest_formula_of_this_test_agrees_with_the_rfc() -> None:
    """RFC 2831, section 4, the IMAP example."""
    arguments = ("chris", "secret", "elwood.innosoft.com", "imap/elwood.innosoft.com")
    assert _digest_response(*arguments, "AUTHENTICATE") == "d388dad90d4bbd760a152321f2143af7"
    assert _digest_response(*arguments, "") == "ea40f60335c427b5527b84dbabcdfffd"


def test_digest_md5_proves_and_demands_proof() -> None:
    digest = exchange("DIGEST-MD5", "chris", "secret", nonce="OA6MHXh6VqTrRk", host="mail.test")
    answer = digest.respond(_CHALLENGE).decode()
    arguments = ("chris", "secret", "elwood.innosoft.com", "smtp/mail.test")
    assert f"response={_digest_response(*arguments, 'AUTHENTICATE')}" in answer
    assert 'username="chris"' in answer
    assert 'realm="elwood.innosoft.com"' in answer
    assert digest.respond(f"rspauth={_digest_response(*arguments, '')}".encode()) == b""
    digest.finish()


def test_digest_md5_refuses_a_server_without_proof() -> None:
    digest = exchange("DIGEST-MD5", "chris", "secret", nonce="OA6MHXh6VqTrRk")
    digest.respond(_CHALLENGE)
    with pytest.raises(SaslError, match="does not prove"):
        digest.respond(b"rspauth=00000000000000000000000000000000")


def test_digest_md5_quotes_what_needs_it() -> None:
    digest = exchange("DIGEST-MD5", 'a"b\\c', "secret")
    assert rb'username="a\"b\\c"' in digest.respond(_CHALLENGE)


@pytest.mark.parametrize("challenge", [b"", b"nonce=x", b'nonce="x",algorithm=md5', b"\xff\0,,,="])
def test_digest_md5_refuses_a_broken_challenge(challenge: bytes) -> None:
    with pytest.raises(SaslError, match="lacks"):
        exchange("DIGEST-MD5").respond(challenge)


class Example(NamedTuple):
    """What each side says in turn, in the example of an RFC."""

    mechanism: str
    nonce: str
    first: str
    challenge: str
    answer: str
    final: str


_SHA_1 = Example(  # RFC 5802, section 5
    "SCRAM-SHA-1",
    "fyko+d2lbbFgONRv9qkxdawL",
    "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
)
_SHA_256 = Example(  # RFC 7677, section 3
    "SCRAM-SHA-256",
    "rOprNGfwEbeRWgbNEkqO",
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
)


@pytest.mark.parametrize("example", [_SHA_1, _SHA_256])
def test_scram_examples(example: Example) -> None:
    scram = exchange(example.mechanism, nonce=example.nonce)
    assert scram.initial == example.first.encode()
    assert scram.respond(example.challenge.encode()) == example.answer.encode()
    assert scram.respond(example.final.encode()) == b""
    scram.finish()


@pytest.mark.parametrize("final", [b"v=AAAA", b"e=other-error", b"", b"v=", b"\xff"])
def test_scram_refuses_a_server_without_proof(final: bytes) -> None:
    scram = exchange(_SHA_1.mechanism, nonce=_SHA_1.nonce)
    scram.respond(_SHA_1.challenge.encode())
    with pytest.raises(SaslError, match="does not prove"):
        scram.respond(final)


def test_scram_is_not_over_before_the_server_proved_itself() -> None:
    scram = exchange(_SHA_1.mechanism, nonce=_SHA_1.nonce)
    scram.respond(_SHA_1.challenge.encode())
    with pytest.raises(SaslError):
        scram.finish()


@pytest.mark.parametrize(
    ("challenge", "complaint"),
    [
        (b"r=other,s=QSXCR+Q6sek8bf92,i=4096", "nonce"),
        (b"r=mine,s=QSXCR+Q6sek8bf92,i=4096", "nonce"),
        (b"r=mine1,s=QSXCR+Q6sek8bf92,i=0", "iteration"),
        (b"r=mine1,s=QSXCR+Q6sek8bf92,i=-1", "iteration"),
        (b"r=mine1,s=QSXCR+Q6sek8bf92,i=99999999", "iteration"),
        (b"r=mine1,s=QSXCR+Q6sek8bf92,i=" + b"9" * 9000, "iteration"),
        (b"r=mine1,s=QSXCR+Q6sek8bf92", "iteration"),
        (b"r=mine1,s=?,i=4096", "salt"),
        (b"", "nonce"),
    ],
)
def test_scram_refuses_a_broken_challenge(challenge: bytes, complaint: str) -> None:
    with pytest.raises(SaslError, match=complaint):
        exchange("SCRAM-SHA-256", nonce="mine").respond(challenge)


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha256", "sha384", "sha512"])
def test_scram_logs_in_to_a_server_that_keeps_only_keys(digest: str) -> None:
    """The server's half, from what RFC 5802, section 3, lets a server store: no password."""
    salt, user = b"salt", "a=b,c"
    salted = hashlib.pbkdf2_hmac(digest, b"pencil", salt, 4096)
    stored = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
    server_key = hmac.digest(salted, b"Server Key", digest)

    scram = exchange(f"SCRAM-SHA-{digest.removeprefix('sha')}", user)
    assert scram.initial is not None
    assert scram.initial.startswith(b"n,,n=a=3Db=2Cc,r=")
    bare = scram.initial.removeprefix(b"n,,")
    challenge = bare.split(b",r=")[1] + b"server,s=" + b64encode(salt) + b",i=4096"
    challenge = b"r=" + challenge
    without_proof, proof = scram.respond(challenge).split(b",p=")
    signed = b",".join((bare, challenge, without_proof))
    signature = hmac.digest(stored, signed, digest)
    client_key = bytes(a ^ b for a, b in zip(b64decode(proof), signature, strict=True))
    assert hashlib.new(digest, client_key).digest() == stored
    scram.respond(b"v=" + b64encode(hmac.digest(server_key, signed, digest)))
    scram.finish()


def test_every_nonce_is_new() -> None:
    assert exchange("SCRAM-SHA-256").initial != exchange("SCRAM-SHA-256").initial


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0627\u0628", "\u0627\u0628"),
        ("", ""),
    ],
)
def test_saslprep_examples(text: str, prepared: str) -> None:
    """RFC 4013, section 3, and a few more."""
    assert saslprep(text, stored=True) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u0627\u0031", "a\u0627", "\ue000", "\u200e"])
def test_saslprep_refuses_without_repeating_the_password(text: str) -> None:
    with pytest.raises(SaslError) as caught:
        saslprep(text, stored=False)
    assert text not in str(caught.value)


def test_saslprep_knows_stored_strings_from_queries() -> None:
    newer_than_unicode_3_2 = "\N{GRINNING FACE}"
    assert saslprep(newer_than_unicode_3_2, stored=False) == newer_than_unicode_3_2
    with pytest.raises(SaslError):
        saslprep(newer_than_unicode_3_2, stored=True)


@given(st.text())
def test_saslprep_changes_nothing_twice(text: str) -> None:
    try:
        once = saslprep(text, stored=True)
    except SaslError:
        return
    assert saslprep(once, stored=True) == once


@given(st.sampled_from(SPOKEN), st.lists(st.binary(), max_size=4))
def test_a_hostile_server_gets_bytes_or_a_refusal(mechanism: str, challenges: list[bytes]) -> None:
    victim = exchange(mechanism)
    for challenge in challenges:
        try:
            assert isinstance(victim.respond(challenge), bytes)
        except SaslError:
            return


def test_ntlm_is_not_spoken() -> None:
    with pytest.raises(SaslError, match="does not speak the mechanism NTLM"):
        exchange("NTLM")


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("pencil")
    credentials = Credentials("user", secret)
    assert "pencil" not in f"{secret} {secret!r} {credentials} {[secret]}"
    assert secret.reveal() == "pencil"
    assert secret == Secret("pencil")
    assert secret != Secret("pen")
    with pytest.raises(TypeError):
        pickle.dumps(secret)
