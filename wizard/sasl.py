"""What the host's Cyrus SASL is: plugins, the ``smtpd.conf`` that counts, saslauthd and its socket.

Sources: Postfix SASL_README, Cyrus SASL's options and saslauthd(8); which place a distribution's Postfix
really reads was traced on real machines (docs/design.md).
"""

from __future__ import annotations

import getopt
import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from wizard.formats import shellvars, smtpdconf
from wizard.numbers import number
from wizard.smallfiles import read_host_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wizard.platforms import Platform
    from wizard.postfix import Postfix
    from wizard.root import Root

#: Mechanisms in the order we would offer them: salted challenge first, then what only TLS protects.
PREFERENCE = (
    *("SCRAM-SHA-512", "SCRAM-SHA-384", "SCRAM-SHA-256", "SCRAM-SHA-224", "SCRAM-SHA-1"),
    *("PLAIN", "LOGIN", "GSSAPI", "GS2-KRB5", "XOAUTH2", "OAUTHBEARER"),
    *("DIGEST-MD5", "CRAM-MD5", "OTP", "NTLM", "ANONYMOUS", "EXTERNAL"),
)
#: Mechanisms that carry the password itself; ``noplaintext`` hides them (SASL_README).
PLAINTEXT = frozenset({"PLAIN", "LOGIN"})
_DEFAULTS, _INSTANCE = "/etc/default", re.compile(r"saslauthd[\w-]*", re.ASCII)
_THREADS = 5  # saslauthd's own default (saslauthd(8), -n)
_OPTIONS = "a:cdhH:lm:n:O:rs:t:TvV"  # which it takes, with ":" those that have an argument (saslauthd(8))


@dataclass(frozen=True, slots=True)
class SmtpdConf:
    """The application configuration that Postfix's Cyrus SASL reads.

    ``path`` is where it is, or where it has to be made; ``keys`` is empty if there is none; ``shadowed`` are
    further files of that name which nobody reads.
    """

    path: str
    keys: Mapping[str, str]
    exists: bool
    shadowed: tuple[str, ...]

    @property
    def mech_list(self) -> tuple[str, ...]:
        """The mechanisms it lists, separated by blanks; empty: every installed one is offered."""
        return tuple(self.keys.get("mech_list", "").upper().split())

    @property
    def methods(self) -> tuple[str, ...]:
        """``pwcheck_method``: who verifies PLAIN and LOGIN; libsasl's default is auxprop."""
        return tuple(self.keys.get("pwcheck_method", "auxprop").split())


def smtpd_conf(root: Root, platform: Platform, postfix: Postfix) -> SmtpdConf:
    """Find the ``smtpd.conf`` that this Postfix reads.

    Raises:
        ParseError: when libsasl could not read it; every smtpd with SASL on would be dead.

    """
    name = f"{application(postfix)}.conf"
    places = _places(platform, postfix)
    found = [f"{place}/{name}" for place in places if root.path(f"{place}/{name}").exists()]
    path = found[0] if found else f"{places[0]}/{name}"
    keys = smtpdconf.read(path, read_host_file(root.file(path)) or b"").keys if found else {}
    stray = [f"{place}/{name}" for place in _EVERYWHERE if place not in places]
    shadowed = (*found[1:], *(place for place in stray if root.path(place).exists()))
    return SmtpdConf(path, keys, bool(found), shadowed)


def application(postfix: Postfix) -> str:
    """Return the name that smtpd tells libsasl, which reads NAME.conf; for Dovecot the same is a socket's."""
    path = postfix.value("smtpd_sasl_path")
    return path if path and "/" not in path and postfix.value("smtpd_sasl_type") == "cyrus" else "smtpd"


_EVERYWHERE = (
    "/etc/postfix/sasl",
    "/etc/postfix",
    "/etc/sasl2",
    "/etc/sasl",
    "/usr/lib/sasl2",
    "/usr/lib/sasl",
)


def _places(platform: Platform, postfix: Postfix) -> tuple[str, ...]:
    """Return the directories in the order they are searched; never empty."""
    if not platform.sasl.honours_config_path:
        return platform.sasl.configuration
    configured = postfix.value("cyrus_sasl_config_path")
    return tuple(part for part in configured.split(":") if part) or platform.sasl.configuration


@dataclass(frozen=True, slots=True)
class Saslauthd:
    """How saslauthd is configured on this host (saslauthd(8)). Empty ``mechanism``: it is not installed.

    ``mechanism_options`` is the variable MECH_OPTIONS as it stands, ``mechanism_option`` what it tells.
    """

    mechanism: str
    mechanism_options: str
    mechanism_option: str
    options: tuple[str, ...]
    threads: int
    start: bool

    @property
    def run_dir(self) -> str:
        """The directory of its socket ``mux``: the word after ``-m``; empty if there is none."""
        return _argument(self.options, "-m")

    @property
    def option(self) -> str:
        """What its mechanism is told (``-O``), such as a server; OPTIONS come last, and the last counts."""
        return _argument(self.options, "-O") or self.mechanism_option

    @property
    def caches(self) -> bool:
        """``-c``: it remembers who logged in."""
        return "-c" in self.options

    @property
    def joins_realm(self) -> bool:
        """``-r``: ``user@realm`` is looked up as such; without it the realm is cut off."""
        return "-r" in self.options


def saslauthd(platform: Platform, defaults: bytes | None) -> Saslauthd:
    """Read saslauthd's defaults file, the bytes of it (None: there is none)."""
    if defaults is None:
        return Saslauthd("", "", "", (), _THREADS, start=False)
    values = shellvars.read(platform.saslauthd.defaults, defaults)
    threads = number(values.get("THREADS", ""))
    mechanism_options = values.get("MECH_OPTIONS", "").strip()
    # the unit hands the variable on as it is, the init script puts -O before it
    words = _words(mechanism_options if platform.saslauthd.native_unit else f"-O {mechanism_options}")
    return Saslauthd(
        mechanism=values.get("MECHANISMS", "pam").strip(),
        mechanism_options=mechanism_options,
        mechanism_option=_argument(words, "-O"),
        options=_options(values.get("OPTIONS", f"-c -m {platform.saslauthd.run_dir}")),
        threads=_THREADS if threads is None else threads,
        start=platform.saslauthd.native_unit or values.get("START", "") == "yes",
    )


def _options(text: str) -> tuple[str, ...]:
    """Return saslauthd's options and their arguments, each as its own word: ``-rc`` is ``-r``, ``-c``."""
    words = _words(text)
    try:
        found, rest = getopt.getopt(list(words), _OPTIONS)
    except getopt.GetoptError:  # which saslauthd does not take either
        return words
    return (*(word for option in found for word in option if word), *rest)


def defaults_files(root: Root) -> tuple[str, ...]:
    """Return saslauthd's defaults files as Debian's init script finds them: the usual one, then instances."""
    found = root.path(_DEFAULTS).glob("saslauthd*")
    return tuple(sorted(f"{_DEFAULTS}/{item.name}" for item in found if _INSTANCE.fullmatch(item.name)))


def asked_directories(platform: Platform, postfix: Postfix, conf: SmtpdConf) -> frozenset[str]:
    """Return where the smtpd services that offer AUTH look for saslauthd's socket, seen from outside."""
    socket = PurePosixPath(conf.keys.get("saslauthd_path", f"{platform.saslauthd.run_dir}/mux"))
    queue = postfix.value("queue_directory")
    chroots = {postfix.chrooted(service) for service in postfix.auth_services}
    return frozenset(f"{queue if chrooted else ''}{socket.parent}" for chrooted in chroots)


def _argument(words: Sequence[str], option: str) -> str:
    """Return what follows ``option``, in the same word or the next, where it is last; empty: nowhere."""
    found = ""
    for at, word in enumerate(words):
        if word.startswith(option):
            found = word.removeprefix(option) or "".join(words[at + 1 : at + 2])
    return found


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def plugins(root: Root, platform: Platform) -> frozenset[str]:
    """Return the names of the installed SASL plugins, such as ``libplain``."""
    found: set[str] = set()
    for place in platform.sasl.plugins:
        folder = root.path(place)
        if folder.is_dir():
            found.update(entry.name.split(".so")[0] for entry in folder.iterdir() if ".so" in entry.name)
    return frozenset(found)


def mechanisms(platform: Platform, installed: frozenset[str]) -> frozenset[str]:
    """Return the mechanisms that the ``installed`` plugins serve."""
    return frozenset(
        mechanism
        for served in platform.plugins.values()
        for plugin, names in served.items()
        if plugin in installed
        for mechanism in names
    )
