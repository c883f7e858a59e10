"""How long a password may be: what back ends and mechanisms take, as measured on Debian 12 and 13."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.errors import PolicyError
from wizard.passwordfile import LONGEST
from wizard.policy import Saslauthd

if TYPE_CHECKING:
    from wizard.policy import Backend
    from wizard.secret import Secret

_LONGEST_FOR_SASLAUTHD = 256  # bytes; MAX_REQ_LEN of its ipc_unix.c


def refuse_longer(backend: Backend | None, password: Secret) -> None:
    """Refuse a ``password`` that ``backend`` would refuse even if it is right.

    Raises:
        PolicyError: when it is too long.

    """
    longest, who = LONGEST, "LOGIN, of Cyrus SASL, takes"
    if isinstance(backend, Saslauthd):
        longest, who = _LONGEST_FOR_SASLAUTHD, "saslauthd takes"
    if len(password.reveal().encode()) > longest:
        raise PolicyError(
            "", f"the password is longer than the {longest} bytes that {who}; choose a shorter one"
        )
