"""The plan: ordered changes, exactly as they will be made, and checked by Postfix before anybody sees them.

Recipes yield edits and changes; here the edits of each file are folded into one new text, the steps are put
in the order in which they are safe to make, and ``postconf`` reads the result on a scratch copy.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from wizard import changes, promises
from wizard.changes import Change, WriteFile
from wizard.errors import HostError
from wizard.formats import maincf, mastercf, pamd, shellvars, smtpdconf
from wizard.host import MAIN_CF, MASTER_CF
from wizard.steps import Act, Edit, Note, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wizard.host import Host
    from wizard.policy import Policy
    from wizard.postfix import Postfix
    from wizard.root import Root
    from wizard.steps import Step


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply will do: ``changes`` in their order. ``warnings`` are for the admin to know, not steps.

    ``policy`` is the policy that was asked for; ``whole`` the same with the sections in force already.
    """

    policy: Policy
    whole: Policy
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]

    @property
    def pending(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.changes)

    @property
    def summary(self) -> str:
        """The plan in one line, for the list of past changes."""
        sections = [
            field.name for field in fields(self.policy) if getattr(self.policy, field.name) is not None
        ]
        count = len(self.changes)
        return f"{', '.join(sections)}: {count} change{'s' if count > 1 else ''}"

    @property
    def interruption(self) -> str:
        """What the users of a running server will notice, in words."""
        restarts = [c.target for c in self.changes if c.kind == changes.RestartService.kind]
        return f"{', '.join(restarts)}: a moment's interruption" if restarts else "no interruption expected"

    def as_json(self, root: Root) -> dict[str, object]:
        """Return the plan in the form that ``plan --json`` prints."""
        return {
            "pending": self.pending,
            "changes": [
                {"kind": c.kind, "target": c.target, "reason": c.reason, "diff": c.diff(root)}
                for c in self.changes
            ],
            "warnings": list(self.warnings),
        }


def assemble(policy: Policy, whole: Policy, host: Host, steps: Iterable[Step]) -> Plan:
    """Turn recipes' ``steps`` into a plan that Postfix has checked.

    Raises:
        ParseError: when a file that has to be edited can't be read.
        HostError: when Postfix would read anything else out of the result than what was meant, or that is
            not what the policy says.

    """
    listed = list(steps)
    edits = [step for step in listed if isinstance(step, Edit)]
    written = tuple(_fold(edits, host))
    others = [step for step in listed if isinstance(step, Change) and not step.done(host.root)]
    acts = [*(step for step in listed if isinstance(step, Act)), *_read_anew(edits, written)]
    services = tuple(_services(acts, host, [*others, *written]))
    warnings = [step.text for step in listed if isinstance(step, Note)]
    result = verify(host, edits, {change.path: change.after or b"" for change in written})
    _refuse_broken(policy, whole, host.postfix, result)
    ordered = sorted([*others, *written], key=_rank)
    removals = [change for change in ordered if isinstance(change, changes.REMOVALS)]
    first = [change for change in ordered if not isinstance(change, changes.REMOVALS)]
    return Plan(policy, whole, (*first, *services, *removals), tuple(dict.fromkeys(warnings)))


# files


def _fold(edits: Sequence[Edit], host: Host) -> Iterator[WriteFile]:
    """Yield one change for each file, all of its edits in one new text."""
    for path in dict.fromkeys(step.path for step in edits):
        mine = [step for step in edits if step.path == path]
        before, start = host.read(path), host.start(path)
        after = _edited(path, start, mine)
        reason = "\n".join(dict.fromkeys(step.reason for step in mine))
        write = WriteFile(path, before=before, after=after, reason=reason)
        keys = {step.edit.key for step in mine if isinstance(step.edit, smtpdconf.SetKey)}
        if keys & smtpdconf.SECRETS:
            # smtpd reads it as root; the user postfix, which others of Postfix's programs are, may as well
            write = replace(write, owner="root", group="postfix", mode=0o640)
        elif before is None:
            write = replace(write, owner="root", group="root", mode=0o644)
        if after != before or not write.done(host.root):
            yield write


def _edited(path: str, data: bytes, steps: Sequence[Edit]) -> bytes:
    """Apply ``steps``, which are all of one file and so of one format."""
    edits = [step.edit for step in steps]
    if parameters := [edit for edit in edits if isinstance(edit, maincf.Edit)]:
        return maincf.edit(path, data, parameters)
    if services := [edit for edit in edits if isinstance(edit, mastercf.Edit)]:
        return mastercf.edit(path, data, services)
    if keys := [edit for edit in edits if isinstance(edit, smtpdconf.Edit)]:
        return smtpdconf.edit(path, data, keys)
    if variables := [edit for edit in edits if isinstance(edit, shellvars.Edit)]:
        return shellvars.edit(path, data, variables)
    return pamd.edit(path, data, [edit for edit in edits if isinstance(edit, pamd.Edit)])


# order

_ORDER = tuple(changes.KINDS.values())


def _rank(change: Change) -> tuple[int, int]:
    """Return a change's place: what others need comes first, what opens the door comes last."""
    tables = _ORDER.index(changes.BuildTable)
    if change.target == MASTER_CF:
        return tables, 2  # it opens ports that need all the others
    if isinstance(change, WriteFile) and change.path == MAIN_CF and change.before is not None:
        return tables, 1  # it names the tables; a new one comes before them, for postmap must read it
    return _ORDER.index(type(change)), 0


_LEAVING = ("stop", "disable")


def _read_anew(edits: Iterable[Edit], written: Iterable[WriteFile]) -> Iterator[Act]:
    """Programs of Postfix that run already know their settings only from when they were started."""
    theirs = {MAIN_CF, MASTER_CF} | {one.path for one in edits if isinstance(one.edit, smtpdconf.Edit)}
    if names := [change.path.rpartition("/")[2] for change in written if change.path in theirs]:
        yield Act("postfix", "reload", f"reads {', '.join(names)} anew")


def _services(acts: Sequence[Act], host: Host, work: Sequence[Change]) -> Iterator[Change]:
    """Yield one change a service: the strongest of what was asked for, if anything is to be done."""
    if not host.root.live:
        return
    stopped = {act.service for act in acts if act.action == "stop"}
    for service in ("saslauthd", "dovecot", "postfix"):
        mine = [act for act in acts if act.service == service and act.action not in _LEAVING]
        if service in stopped:
            continue
        state = changes.service_state(service, host.root)
        actions = {act.action for act in mine}
        reason = "\n".join(dict.fromkeys(act.reason for act in mine if act.action != "enable"))
        if "enable" in actions and state.enabled is False:
            yield changes.EnableService(service, reason="runs again after a reboot")
        if not state.running and (mine or (service == "postfix" and work)):
            yield changes.StartService(service, reason="is not running")
        elif "restart" in actions:
            yield changes.RestartService(service, reason=reason)
        elif "reload" in actions:
            yield changes.ReloadService(service, reason=reason)
    yield from _left(acts, host)


def _left(acts: Sequence[Act], host: Host) -> Iterator[Change]:
    """Yield what ends services that Postfix, which has been told by then, does not ask any more."""
    for act in acts:
        if act.action not in _LEAVING:
            continue
        state = changes.service_state(act.service, host.root)
        if act.action == "stop" and state.running:
            yield changes.StopService(act.service, reason=act.reason)
        elif act.action == "disable" and state.enabled:
            yield changes.DisableService(act.service, reason=act.reason)


# the second opinion


def verify(host: Host, edits: Sequence[Edit], after: dict[str, bytes]) -> Postfix | None:
    """Let Postfix read the files as they will be, compare with what was meant, and return it.

    Raises:
        HostError: when another parameter or service differs than the ``edits`` name, or one of them differs
            in another way: the plan is not safe, and nothing of it may be applied.

    """
    if not {MAIN_CF, MASTER_CF}.intersection(after) or host.postconf is None:
        return host.postfix
    # what the recipes went by: a file that was changed since then is refused too
    before = host.settled_postfix
    files = {"main.cf": MAIN_CF, "master.cf": MASTER_CF}
    with host.scratch({name: after.get(path, host.start(path)) for name, path in files.items()}) as scratch:
        result = host.postconf.read(scratch)
    wrong = [*_wrong_parameters(before, result, edits), *_wrong_services(before, result, edits)]
    if wrong:
        raise HostError(
            "Postfix would not read the new files as meant, so nothing is changed:\n  " + "\n  ".join(wrong)
        )
    return result


def _refuse_broken(policy: Policy, whole: Policy, before: Postfix | None, result: Postfix | None) -> None:
    if not before or not result:
        return
    asked, already = set(promises.broken(policy, result)), set(promises.broken(whole, before))
    wrong = [text for text in promises.broken(whole, result) if text in asked or text not in already]
    if wrong:
        raise HostError(
            "the result would not be what the policy says, so nothing is changed:\n  " + "\n  ".join(wrong)
        )


def _wrong_parameters(before: Postfix, after: Postfix, edits: Sequence[Edit]) -> Iterator[str]:
    meant = {step.edit.name: step.edit.value for step in edits if isinstance(step.edit, maincf.SetParameter)}
    for name in before.explicit | after.explicit:
        # names that Postfix does not have by itself are listed only as long as anything refers to them
        unused = name not in after.parameters and name not in meant
        if unused or name == "config_directory":
            continue
        value = after.parameters.get(name, "")
        wish = meant.get(name, before.parameters.get(name, ""))
        if " ".join(value.split()) != " ".join(wish.split()):
            yield f"main.cf: {name} would be {value!r} instead of {wish!r}"


def _wrong_services(before: Postfix, after: Postfix, edits: Sequence[Edit]) -> Iterator[str]:
    meant = {s.key: (s.columns, dict(s.options)) for s in before.services}
    for step in edits:
        _mean(meant, step.edit)
    found = {s.key: (s.columns, dict(s.options)) for s in after.services}
    for key in meant.keys() | found.keys():
        if _one_line(meant.get(key)) != _one_line(found.get(key)):
            yield f"master.cf: the service {key} would be {found.get(key)} instead of {meant.get(key)}"


def _one_line(
    service: tuple[tuple[str, ...], dict[str, str]] | None,
) -> tuple[tuple[str, ...], dict[str, str]] | None:
    """Return ``service`` with every blank in the values of its options as one."""
    if service is None:
        return None
    columns, options = service
    return columns, {name: " ".join(value.split()) for name, value in options.items()}


def _mean(meant: dict[str, tuple[tuple[str, ...], dict[str, str]]], edit: TextEdit) -> None:
    """Do to ``meant`` (service -> columns and options) what ``edit`` says."""
    match edit:
        case mastercf.SetOption(service, kind, name, value):
            meant[f"{service}/{kind}"][1][name] = value
        case mastercf.SetChroot(service, kind, value):
            columns, options = meant[f"{service}/{kind}"]
            meant[f"{service}/{kind}"] = ((*columns[:4], value, *columns[5:]), options)
        case mastercf.DisableService(name, kind):
            del meant[f"{name}/{kind}"]
        case mastercf.EnableService():
            options = {option.name: option.value for option in edit.options}
            meant["/".join(edit.columns[:2])] = (edit.columns, options)
        case mastercf.AddService():
            columns = (
                edit.name,
                edit.type,
                edit.private,
                edit.unpriv,
                edit.chroot,
                edit.wakeup,
                edit.maxproc,
                edit.command,
            )
            meant[f"{edit.name}/{edit.type}"] = (
                columns,
                {option.name: option.value for option in edit.options},
            )
