"""Dovecot's configuration as Dovecot itself reads it, 2.3 and 2.4 alike: asked of its doveconf(1)."""

from __future__ import annotations

import re
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import check_dovecot
from wizard.commands import run
from wizard.errors import HostError, WizardError

if TYPE_CHECKING:
    from collections.abc import Iterator

DOVECONF = "/usr/bin/doveconf"
DIRECTORY = Path("/etc/dovecot")
MAIN = "dovecot.conf"
_CONF_D = "conf.d"
_VERSION = re.compile(r"# (\d+)\.(\d+)")
_PASSDB = re.compile(r"^passdb(?: (?P<name>\S+))? \{\n(?P<body>(?:[ \t].*\n)*)", re.MULTILINE)
_DRIVER = re.compile(r"^\s*driver = (\S+)", re.MULTILINE)
_MECHANISMS = re.compile(r"^auth_mechanisms = (.*)", re.MULTILINE)
_LISTENER = re.compile(r"^\s+((?:unix|inet)_listener \S+) \{", re.MULTILINE)
_SECONDS = 20.0  # a reload that takes longer is taken for a failure


@dataclass(frozen=True, slots=True)
class Settings:
    """What matters here of a Dovecot configuration.

    ``version``: Dovecot's own, ``(2, 3)``. ``mechanisms``: auth_mechanisms, in upper case. ``passdbs``: the
    drivers of the password databases. ``listeners``: of all services, such as ``unix_listener /run/x``.
    """

    version: tuple[int, ...]
    mechanisms: tuple[str, ...]
    passdbs: tuple[str, ...]
    listeners: frozenset[str]


def settings(directory: Path) -> Settings:
    """Return what Dovecot reads from the configuration in ``directory``, usually /etc/dovecot.

    Raises:
        HostError: when it can't read it, with Dovecot's own words.

    """
    asked = run([DOVECONF, "-n", "-c", str(directory / MAIN)], timeout=10)
    if not asked.ok:
        said = asked.stderr.strip().splitlines()[-1:] or ["doveconf failed"]
        raise HostError(f"Dovecot does not accept its configuration: {said[0]}")
    return _parsed(asked.stdout)


def _parsed(text: str) -> Settings:
    """Read what ``doveconf -n`` printed; what it does not print has its default."""
    version, mechanisms = _VERSION.match(text), _MECHANISMS.search(text)
    drivers = []
    for found in _PASSDB.finditer(text):
        driver = _DRIVER.search(found["body"])
        # 2.4 names the database, and takes the name for its driver unless told otherwise
        drivers.append(driver[1] if driver else found["name"] or "")
    return Settings(
        tuple(map(int, version.groups())) if version else (),
        tuple((mechanisms[1] if mechanisms else "plain").upper().split()),
        tuple(drivers),
        frozenset(_LISTENER.findall(text)),
    )


def settings_with(path: str, content: bytes | None) -> Settings:
    """Return the settings as they would be with ``content`` (None: no file) at ``path``, one of conf.d.

    Raises:
        HostError: when Dovecot could not read that.

    """
    file = Path(path)
    directory = file.parent.parent
    with _beside(directory) as trial:
        there = trial / _CONF_D / file.name
        there.unlink(missing_ok=True)
        if content is not None:
            there.write_bytes(content)
        try:
            return settings(trial)
        except HostError as refused:
            said = str(refused).replace(str(trial), str(directory))
            raise HostError(f"{said}; nothing is changed") from None


@contextmanager
def _beside(directory: Path) -> Iterator[Path]:
    """Give a directory that reads as ``directory`` does, its files linked, for secrets are in some."""
    with tempfile.TemporaryDirectory(prefix="postfix-auth.") as name:
        trial = Path(name)
        (trial / _CONF_D).mkdir()
        for folder in (directory, directory / _CONF_D):
            for entry in folder.iterdir() if folder.is_dir() else ():
                if entry.name not in (MAIN, _CONF_D):
                    (trial / folder.relative_to(directory) / entry.name).symlink_to(entry)
        text = (directory / MAIN).read_text(encoding="utf-8", errors="surrogateescape")
        # what is included by its full path must be found here as well
        included = re.sub(
            rf"^(\s*!include(?:_try)?\s+){re.escape(str(directory))}/", rf"\g<1>{trial}/", text, flags=re.M
        )
        (trial / MAIN).write_text(included, encoding="utf-8", errors="surrogateescape")
        yield trial


def wait_for_answer() -> None:
    """Wait until Dovecot, which was told to read its configuration anew, answers where Postfix asks it.

    Raises:
        WizardError: when it does not, though Postfix is to ask it.

    """
    names = ("smtpd_sasl_type", "smtpd_sasl_path", "queue_directory")
    kind, address, queue = (run(["postconf", "-hx", name]).stdout.strip() for name in names)
    if kind != "dovecot":
        return
    here = not address.startswith("inet:") or check_dovecot.on_loopback(address)
    wish = set(settings(DIRECTORY).mechanisms) - {"APOP"} if here else set()
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        offered = set(check_dovecot.mechanisms(address, queue))
        # for a moment the one that read the old configuration still answers
        if offered and (not wish or offered == wish):
            return
        time.sleep(0.05)
    log = run(["journalctl", "--no-pager", "-q", "-o", "cat", "-n", "6", "-t", "dovecot"])
    raise WizardError(f"reloading dovecot: it does not answer at {address} as configured\n{log.stdout}")
