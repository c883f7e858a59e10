"""Each key of a policy by itself: its type, its range, its syntax. Policy files and screens both ask here."""

from __future__ import annotations

import difflib
import re
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, get_type_hints

from wizard import syntax
from wizard.errors import PolicyError
from wizard.policy import BACKENDS, Authorization, Mechanisms, Smarthost, Submission, Tls

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wizard.syntax import Rule

Value: TypeAlias = str | int | bool | StrEnum | tuple[str, ...]

#: The sections with one form each; ``backend`` has one for each type.
SECTIONS: Mapping[str, type] = {
    "mechanisms": Mechanisms,
    "tls": Tls,
    "submission": Submission,
    "authorization": Authorization,
    "smarthost": Smarthost,
}
SERVICES = ("submission", "submissions")


def _service(value: str) -> str | None:
    return None if value in SERVICES else f"must be one of {', '.join(SERVICES)}{meant(value, SERVICES)}"


_RULES: Mapping[str, Rule] = {
    "backend.allowed_groups": syntax.group,
    "backend.server": syntax.host,
    "backend.servers": syntax.ldap_uri,
    "backend.filter": syntax.ldap_filter,
    "backend.password_file": syntax.path,
    "backend.hosts": syntax.database_host,
    "backend.user": syntax.sql_name,
    "backend.database": syntax.sql_name,
    "backend.select": syntax.sql_select,
    "backend.uri": syntax.ldap_uris,
    "backend.mechanism": syntax.mechanism,
    "backend.rc": syntax.path,
    "backend.address": syntax.dovecot_address,
    "mechanisms.offer": syntax.mechanism,
    "tls.certificate": syntax.path,
    "tls.key": syntax.path,
    "tls.names": syntax.certificate_name,
    "submission.services": _service,
    "authorization.local_domain": syntax.host_name,
    "smarthost.host": syntax.host,
    "smarthost.user": syntax.relay_user,
    "smarthost.password_file": syntax.path,
    "smarthost.ca_file": syntax.path,
}
_RANGES: Mapping[str, tuple[int, int]] = {
    "backend.threads": (1, 64),
    "backend.port": (1, 65535),
    "smarthost.port": (1, 65535),
}
#: Keys that may be empty although their default is not.
_CLEARABLE = frozenset({"smarthost.ca_file"})
#: What to do about a key that is empty because something should end.
_INSTEAD: Mapping[str, str] = {
    "smarthost.host": "; a policy sets a smarthost up, but ends none: take the change that did back with "
    "postfix-auth rollback ID, or by hand: postconf -X relayhost smtp_tls_wrappermode smtp_sasl_auth_enable "
    "smtp_sasl_password_maps; postconf -e smtp_tls_security_level=may; postfix reload"
}
_SEPARATORS = re.compile(r"[\s,]+")
_DIGITS = re.compile(r"-?[0-9]{1,9}")
_TOML_TYPES: Mapping[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number with a point",
    str: "a text in quotes",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One key: its dotted name, the type of its value, and its default (None: it has to be given)."""

    key: str
    kind: object
    default: Value | None

    def accept(self, raw: object) -> Value:
        """Return the value that ``raw``, as TOML gave it, stands for.

        Raises:
            PolicyError: if it is of another type, out of range or against the key's syntax.

        """
        if self.kind == tuple[str, ...]:
            return self._list(raw)
        if self.kind is int:
            return self._number(raw)
        if self.kind is bool:
            if isinstance(raw, bool):
                return raw
            raise self._refusal(f"must be true or false, without quotes, not {_type_of(raw)}")
        if not isinstance(raw, str):
            raise self._refusal(f"must be a text in quotes, not {_type_of(raw)}")
        if isinstance(self.kind, type) and issubclass(self.kind, StrEnum):
            return self._choice(raw, self.kind)
        return self._text(raw)

    def accept_typed(self, entered: str) -> Value:
        """Return the value of what somebody typed; blanks or commas separate the items of a list.

        Raises:
            PolicyError: as ``accept`` does.

        """
        if self.kind == tuple[str, ...]:
            return self._list([item for item in _SEPARATORS.split(entered) if item])
        if self.kind is int and _DIGITS.fullmatch(entered):
            return self._number(int(entered))
        if self.kind is bool and entered in {"true", "false"}:
            return entered == "true"
        return self.accept(entered)

    def _refusal(self, message: str) -> PolicyError:
        return PolicyError(self.key, message)

    def _number(self, raw: object) -> int:
        low, high = _RANGES[self.key]
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise self._refusal(f"must be a number from {low} to {high}, without quotes, not {_type_of(raw)}")
        if not low <= raw <= high:
            raise self._refusal(f"must be a number from {low} to {high}")
        return raw

    def _choice(self, raw: str, kind: type[StrEnum]) -> StrEnum:
        allowed = [member.value for member in kind]
        if raw not in allowed:
            raise self._refusal(f"must be one of {', '.join(allowed)}{meant(raw, allowed)}")
        return kind(raw)

    def _text(self, raw: str) -> str:
        if not raw:
            if self.default == "" or self.key in _CLEARABLE:
                return raw
            raise self._refusal(f"must not be empty{_INSTEAD.get(self.key, '')}")
        if problem := _RULES.get(self.key, syntax.text)(raw):
            raise self._refusal(problem)
        return raw

    def _list(self, raw: object) -> tuple[str, ...]:
        if not isinstance(raw, list):
            raise self._refusal(f'must be a list of texts, such as ["…", "…"], not {_type_of(raw)}')
        if not raw and self.default is None:
            raise self._refusal("must not be empty")
        seen: set[str] = set()
        for number, item in enumerate(raw, start=1):
            if problem := self._item(item, seen):
                raise self._refusal(f"item {number} {problem}")
        return tuple(raw)

    def _item(self, item: object, seen: set[str]) -> str | None:
        """Say what is wrong with one item of a list, of which ``seen`` are the ones before it, folded."""
        if not isinstance(item, str):
            return f"must be a text in quotes, not {_type_of(item)}"
        if not item:
            return "must not be empty"
        if item.casefold() in seen:
            return "is there twice"
        seen.add(item.casefold())
        return _RULES.get(self.key, syntax.text)(item)


def fields_of(section: str, form: type) -> Mapping[str, Field]:
    """Return the fields of ``form``, a section's dataclass, by the name of their key in the policy file."""
    hints = get_type_hints(form)
    found = {}
    for field in fields(form):
        default = None if field.default is MISSING else field.default
        found[field.name] = Field(f"{section}.{field.name}", hints[field.name], default)
    return found


def meant(wrong: str, allowed: Collection[str]) -> str:
    """Return a proposal for a misspelt word, as the end of a sentence; empty if nothing is near."""
    near = difflib.get_close_matches(wrong[:64].lower(), allowed, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _all_fields() -> Mapping[str, Field]:
    forms = [*SECTIONS.items(), *(("backend", form) for form in reversed(BACKENDS.values()))]
    return {field.key: field for section, form in forms for field in fields_of(section, form).values()}


_FIELDS = _all_fields()


def is_key(key: str) -> bool:
    """Whether policies have this ``key``, such as ``smarthost.host``."""
    return key == "backend.type" or key in _FIELDS


def check_field(key: str, value: str) -> str | None:
    """Return what is wrong with the text ``value`` for ``key``, such as ``smarthost.host``; None: nothing.

    It is what a screen shows beside its field, and what a policy file is refused with.
    A list is given as one text, its items separated by blanks or commas.

    Raises:
        KeyError: for a key that no policy has.

    """
    if key == "backend.type":
        return check_backend_type(value)
    try:
        _FIELDS[key].accept_typed(value)
    except PolicyError as refused:
        return refused.message
    return None


def check_backend_type(value: str) -> str | None:
    """Return what is wrong with ``value`` as ``backend.type``, or None."""
    return None if value in BACKENDS else f"must be one of {', '.join(BACKENDS)}{meant(value, BACKENDS)}"


def _type_of(raw: object) -> str:
    return _TOML_TYPES.get(type(raw), "a date or time")
