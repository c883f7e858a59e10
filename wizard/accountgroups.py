"""Accounts of the system that may log in because they are in a group (``allowed_groups`` of the policy)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.accounts import Account
from wizard.changes import owners
from wizard.changes.tree import run_in
from wizard.errors import HostError, PolicyError, WizardError

if TYPE_CHECKING:
    from wizard.host import Host


@dataclass(frozen=True, slots=True)
class Members:
    """The members of ``groups``. A new one joins the first; no account is made or removed itself."""

    host: Host
    groups: tuple[str, ...]
    realm: str = ""
    how_to_begin: ClassVar[str] = "nobody may log in yet: postfix-auth user add NAME lets a system's user in"

    def accounts(self) -> tuple[Account, ...]:
        """Return who is in one of the groups, by name."""
        found = {name for group in self.groups for name in self.members(group)}
        return tuple(Account(name) for name in sorted(found))

    def members(self, group: str) -> frozenset[str]:
        """Return who is in ``group``, those included whose first group it is (passwd(5))."""
        return self.host.members(group) or frozenset()

    def account(self, name: str) -> Account:
        """Return the system's account called ``name``.

        Raises:
            PolicyError: when there is none.

        """
        try:
            owners.uid(self.host.root, name)
        except WizardError as error:
            raise PolicyError("NAME", f"{error}; adduser makes one, who can then be added here") from None
        if name.startswith(("-", "+")):  # an entry for nsswitch's "compat", and an option to a program
            raise PolicyError("NAME", f"{name} is no user's name")
        return Account(name)

    def add(self, account: Account) -> None:
        """Put ``account`` into the first group, unless it is in one of them.

        Raises:
            WizardError: with gpasswd's words when it can't.

        """
        if account not in self.accounts():
            argv = ["gpasswd", "-a", account.name, self.groups[0]]
            run_in(self.host.root, argv).expect(f"can't put {account} into the group {self.groups[0]}")

    def remove(self, account: Account) -> None:
        """Take ``account`` out of all the groups.

        Raises:
            HostError: when it is in none, or one of them is its first group.
            WizardError: with gpasswd's words when it can't be taken out.

        """
        groups = [group for group in self.groups if account.name in self.members(group)]
        if not groups:
            raise HostError(f"{account} is in none of the groups {', '.join(self.groups)}")
        for group in groups:
            if account.name in owners.first(self.host.root, group):
                raise HostError(
                    f"{group} is the first group of {account}: usermod -g OTHER {account} changes that"
                )
        for group in groups:
            argv = ["gpasswd", "-d", account.name, group]
            run_in(self.host.root, argv).expect(f"can't take {account} out of the group {group}")
