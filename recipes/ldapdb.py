"""Passwords in an LDAP directory, read by libsasl's ``ldapdb`` plugin inside smtpd (SASL_README, "ldapdb").

The plugin logs in as a user of its own and asks to become the user who is to be checked (RFC 4370). So the
directory has to say twice what it allows: who the plugin is, and whom it may become; OpenLDAP's
``authz-regexp``, ``authz-policy`` and ``authzTo`` (OpenLDAP Administrator's Guide, "Using SASL").
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from recipes import ldapdb_probe, ldapdb_side, user_names
from recipes.auxprop import USUAL
from recipes.backend import BackendRecipe
from recipes.chroot import after
from recipes.ldapdb_directory import find, is_here, is_proven
from recipes.shown import Shown
from recipes.user_names import Called
from wizard import ldap, lookup
from wizard.errors import PolicyError
from wizard.passwordfile import read_unpadded_password_file
from wizard.policy import AuxpropLdapdb, LdapdbStarttls
from wizard.secret import Secret
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recipes.ldapdb_directory import Directory
    from wizard.host import Host
    from wizard.policy import Backend
    from wizard.steps import Step, Wanted

_TIMEOUT = 8.0  # seconds
#: Options that no policy speaks of; kept where somebody has set them.
_BY_HAND = ("ldapdb_canon_attr",)
_ABOUT = "just as the directory's authz-regexp has it"


def _keys(wanted: Wanted) -> dict[str, str]:
    backend, found = wanted.backend(AuxpropLdapdb), wanted.host.smtpd_conf.keys
    keys = {
        "pwcheck_method": "auxprop",
        "auxprop_plugin": "ldapdb",
        "ldapdb_uri": backend.uri,
        "ldapdb_id": backend.id,
        "ldapdb_pw": _password(wanted, backend),
        "ldapdb_mech": backend.mechanism,
        "ldapdb_starttls": "" if backend.starttls is LdapdbStarttls.NONE else backend.starttls.value,
        "ldapdb_rc": backend.rc,
    }
    if _in_force(wanted.host):
        keys |= {key: found[key] for key in _BY_HAND if key in found}
    # libsasl can't read a key without a value
    return {key: value for key, value in keys.items() if value}


def _password(wanted: Wanted, backend: AuxpropLdapdb) -> str:
    """Return the password; where no file is named, the one that smtpd.conf holds for this user already."""
    if backend.password_file and wanted.given.backend:
        key = "backend.password_file"
        return read_unpadded_password_file(Path(backend.password_file), key, "smtpd.conf").reveal()
    found = wanted.host.smtpd_conf.keys
    return found.get("ldapdb_pw", "") if found.get("ldapdb_id") == backend.id else ""


def _steps(wanted: Wanted) -> Iterator[Step]:
    backend, found = wanted.backend(AuxpropLdapdb), wanted.host.smtpd_conf
    keys = _keys(wanted)
    if backend.rc and not wanted.host.exists(backend.rc):
        raise PolicyError("backend.rc", f"there is no such file: {backend.rc}")
    # first what is asked first: this very back end, before the services
    if backend.configure or any(found.keys.get(key) != value for key, value in keys.items()):
        yield from _tried(wanted, backend, keys)
    if True in after(wanted):
        raise PolicyError(
            "submission.chroot",
            'must be "no" with auxprop-ldapdb: at each login it loads the SASL plugins once more, '
            "which a chrooted smtpd can't; port 25, with AUTH there, must not be chrooted either",
        )
    open_line = any(not _is_private(uri, wanted.host) for uri in backend.uri.split())
    if open_line and backend.starttls is not LdapdbStarttls.DEMAND:
        yield Note(f"backend.starttls: {backend.uri} sends passwords over the network; demand encrypts them")
    for key in _BY_HAND:
        if key in keys:
            yield Note(f"set by hand: {found.path} has {key}: {keys[key]}; kept")


def _is_private(uri: str, host: Host) -> bool:
    """Whether a password on the line to ``uri`` can be read by nobody between."""
    return uri.startswith("ldaps:") or is_here(uri, host)


def _tried(wanted: Wanted, backend: AuxpropLdapdb, keys: Mapping[str, str]) -> Iterator[Step]:
    """Ask for nobody, and yield what is missing when the directory does not say that there is no such user.

    Raises:
        PolicyError: when the directory can't be asked at all, or can't be set up as wished.

    """
    if not wanted.host.root.live or os.geteuid() != 0:
        return
    if not keys.get("ldapdb_pw"):
        raise PolicyError("backend.password_file", f"must be given: no password of {backend.id} is here yet")
    realm = wanted.policy.authorization.local_domain if wanted.policy.authorization else ""
    smtpd = lookup.Smtpd.of(wanted.host, chrooted=False, realm=realm)
    nobody = lookup.check(keys, smtpd, timeout=_TIMEOUT)
    if nobody.unknown:
        return
    if nobody.unreachable or nobody.code is None:
        _tell(wanted.host, backend)
        raise PolicyError("backend.uri", _silence(wanted.host, backend))
    itself = lookup.check(keys, smtpd, timeout=_TIMEOUT, user=backend.id, password=keys["ldapdb_pw"])
    directory = find(wanted.host, backend)
    if not itself.right:
        _refuse(wanted.host, backend, directory, keys["ldapdb_pw"], known=not nobody.refused)
    if backend.configure:
        yield from ldapdb_side.configured(backend, directory, wanted.host.root, mapped=itself.right)
        return
    yield Note(
        f"the directory lets {backend.id} in, but does not say of a user whom it does not know that there is "
        "none: such a login ends with a temporary failure. Either it lets it speak for no user at all, or "
        "authzTo does not cover unknown ones. It may be told so (docs/databases.md):\n"
        + ldapdb_side.loadable(backend, directory, mapped=True)
    )


def _tell(host: Host, backend: AuxpropLdapdb) -> None:
    """Refuse with what the directory itself says is wrong, if it does."""
    if found := ldapdb_probe.trouble(backend, host.platform.ca_file):
        raise PolicyError(*found)


def _silence(host: Host, backend: AuxpropLdapdb) -> str:
    """Say why nobody answers, as far as it can be seen from here."""
    reasons: list[str] = []
    for uri in backend.uri.split():
        try:
            with ldap.Connection(uri, host.platform.ca_file):
                pass
        except ldap.LdapError as error:
            reasons.append(str(error))
    why = "; ".join(dict.fromkeys(reasons)) or "somebody is there, but libsasl gets no answer in time"
    return f"{backend.uri} does not answer: {why}"


def _refuse(host: Host, backend: AuxpropLdapdb, directory: Directory, password: str, *, known: bool) -> None:
    """Find out why the directory does not let the proxy in. ``known``: it has not said that it is unknown.

    Raises:
        PolicyError: unless all that is wrong is what configure = true will put right.

    """
    private = next((uri for uri in backend.uri.split() if _is_private(uri, host)), "")
    proven = private and is_proven(
        directory, private, host.platform.ca_file, Secret(password), backend.mechanism
    )
    if directory.slapd and not directory.proxies:
        raise PolicyError("backend.id", f"nobody below {directory.suffix} has the uid {backend.id}")
    if known:
        _tell(host, backend)
        raise PolicyError(
            "backend.starttls" if backend.starttls is LdapdbStarttls.DEMAND else "backend.mechanism",
            f"{backend.uri} can't be asked with {backend.mechanism}, and libsasl does not say why: see "
            "whether the directory offers that mechanism, encryption if starttls is demand, and whether its "
            "authz-regexp leads to the entry of who asks",
        )
    if backend.configure:
        return
    told = f"What lets it speak for users (docs/databases.md):\n{ldapdb_side.loadable(backend, directory)}"
    if proven:
        raise PolicyError(
            "backend.configure",
            f"must be true, or the directory set up by hand: it does not take {backend.id} for "
            f"{directory.proxies[0]} yet, whose password is right. {told}",
        )
    raise PolicyError(
        "backend.password_file",
        f"the directory does not let {backend.id} in: id or password is wrong, it is not stored in clear "
        f"there, which {backend.mechanism} needs, or authz-regexp does not lead to its entry. {told}",
    )


def _in_force(host: Host) -> bool:
    conf = host.smtpd_conf
    return conf.methods[:1] == ("auxprop",) and conf.keys.get("auxprop_plugin") == "ldapdb"


def _read(host: Host) -> Backend | None:
    keys = host.smtpd_conf.keys
    uri, name, starttls = (keys.get(f"ldapdb_{key}", "") for key in ("uri", "id", "starttls"))
    if not _in_force(host) or not uri or not name or starttls not in ("", *LdapdbStarttls):
        return None
    return AuxpropLdapdb(
        uri,
        name,
        mechanism=keys.get("ldapdb_mech", "").upper(),
        starttls=LdapdbStarttls(starttls or LdapdbStarttls.NONE),
        rc=keys.get("ldapdb_rc", ""),
    )


LDAPDB = BackendRecipe(
    shown=(
        Shown(
            AuxpropLdapdb,
            "An LDAP directory, read by SASL",
            "passwords in clear in it",
            "the accounts are those of the directory at {0.uri}, and made there",
            "The directory at {0.uri} does not answer: it is down, or can't be reached.",
            remote=True,
        ),
    ),
    needs=("ldapdb",),
    usual=USUAL,
    owns_accounts=False,
    keys=_keys,
    steps=_steps,
    read=_read,
    names=lambda host: user_names.found(host, _ABOUT, Called.EITHER),
)
