"""Whether Postfix greets whoever connects: asked on each port that its own configuration has an smtpd on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wizard.check_targets import address, port
from wizard.errors import WizardError
from wizard.host import Host
from wizard.smtp import Session

if TYPE_CHECKING:
    from wizard.root import Root

_PATIENCE = 4.0  # seconds; after a reload Postfix opens its ports when it gets round to it


def everywhere(root: Root) -> bool:
    """Whether each smtpd that listens greets a client, soon after Postfix has read its files anew."""
    try:
        postfix = Host(root).settled_postfix
        listening = [
            service
            for service in postfix.smtpd_services
            # behind a proxy it waits for the proxy's words first (postconf(5))
            if service.type == "inet" and not postfix.value("smtpd_upstream_proxy_protocol", service)
        ]
        return all(
            _greets(
                address(postfix, service),
                port(service),
                tls=postfix.yes("smtpd_tls_wrappermode", service),
            )
            for service in listening
        )
    except WizardError:
        return False


def _greets(host: str, number: int, *, tls: bool) -> bool:
    end = time.monotonic() + _PATIENCE
    while (left := end - time.monotonic()) > 0:
        try:
            with Session(host, number, timeout=left, implicit_tls=tls) as session:
                session.open()
                return True
        except WizardError:
            time.sleep(0.1)
    return False
