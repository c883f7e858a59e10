"""The engine's values as text for a terminal: what the command line prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.engine import InForce
    from wizard.overview import Overview
    from wizard.plan import Plan
    from wizard.root import Root


def overview_lines(found: Overview) -> Iterator[str]:
    """Yield the host in a few lines."""
    yield f"{found.platform} · Postfix {found.postfix} · {found.sasl}"
    yield ""
    for port in found.ports:
        yield f"  Port {port.number:<4} {port.about}"
    yield f"  Smarthost {found.smarthost}"
    yield f"  Certificate {found.certificate}"
    yield f"  Log {found.log}"
    if found.attention:
        yield ""
        yield f"{len(found.attention)} to look at:"
        yield from (f"  ! {text}" for text in found.attention)


def plan_lines(plan: Plan, root: Root) -> Iterator[str]:
    """Yield every change with its reason and its diff, then what to know about them."""
    if not plan.pending:
        yield "Nothing to do: the host is as the policy wants it."
    for change in plan.changes:
        yield f"# {change.kind}: {change.target}"
        yield from (f"# why: {line}" for line in change.reason.splitlines())
        yield from change.diff(root).splitlines()
        yield ""
    yield from (f"! {text}" for text in plan.warnings)


def by_hand_lines(found: InForce) -> Iterator[str]:
    """Yield, as comments of a policy file, what no section can express."""
    yield from (f"# {line}" for text in found.by_hand for line in text.splitlines())
