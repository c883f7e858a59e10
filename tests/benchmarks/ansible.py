"""Ansible as the peer of ``plan``: the usual playbook for main.cf, in a virtual environment of its own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.machines.images import CACHE, Debian, Kind
from tests.machines.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION = "2.19.4"
NAME = f"ansible-core {VERSION}"
_VENV = "/opt/ansible"
_DRY_RUN = (f"{_VENV}/bin/ansible-playbook", "--check", "--diff", "-i", "localhost,", "-c", "local")

#: What dry-runs the playbook as most are written.
USUAL = (*_DRY_RUN, "/root/usual.yml")
#: The same, spared what it could do without: gathering facts and looking for a Python.
SPARED = (*_DRY_RUN, "/root/spared.yml")


def install(machine: Machine, parameters: Mapping[str, str]) -> None:
    """Put Ansible on ``machine``, and the playbooks, which set these ``parameters`` of main.cf."""
    machine.run(["tar", "-x", "-C", "/opt"], stdin=_archive(machine.debian).read_bytes())
    play = _play(parameters)
    spared = {**play, "gather_facts": False}
    spared["vars"] = {"parameters": parameters, "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    for command, content in ((USUAL, play), (SPARED, spared)):
        machine.write_file(command[-1], json.dumps([content], indent=2))  # JSON is YAML


def _play(parameters: Mapping[str, str]) -> dict[str, object]:
    line = {
        "path": "/etc/postfix/main.cf",
        "regexp": r"^{{ item.key }}\s*=",
        "line": "{{ item.key }} = {{ item.value }}",
    }
    task = {"ansible.builtin.lineinfile": line, "loop": "{{ parameters | dict2items }}"}
    return {"hosts": "localhost", "vars": {"parameters": parameters}, "tasks": [task]}


def _archive(debian: Debian) -> Path:
    """Return the archive of Ansible's virtual environment for ``debian``; it is made once and kept."""
    kept = CACHE / f"ansible-{VERSION}-{debian}.tar"
    if not kept.exists():
        sys.stderr.write(f"fetching {NAME} for {debian} ...\n")
        with Machine(debian, Kind.READY, internet=True) as machine:
            install = f"python3 -m venv {_VENV} && {_VENV}/bin/pip install -q ansible-core=={VERSION}"
            machine.run(install, timeout=600)
            packed, _ = machine.popen(["tar", "-c", "-C", "/opt", "ansible"]).communicate()
        new = kept.with_suffix(".new")
        new.write_bytes(packed)
        new.rename(kept)
    return kept
