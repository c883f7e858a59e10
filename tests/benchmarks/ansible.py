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
_PLAYBOOK = "/root/main.cf.yml"

#: What dry-runs the playbook. It is spared what Ansible would do besides: gathering facts, looking for a
#: Python, a connection.
CHECK = (f"{_VENV}/bin/ansible-playbook", "--check", "--diff", "-i", "localhost,", "-c", "local", _PLAYBOOK)


def install(machine: Machine, parameters: Mapping[str, str]) -> None:
    """Put Ansible on ``machine``, and a playbook that sets these ``parameters`` of main.cf."""
    machine.run(["tar", "-x", "-C", "/opt"], stdin=_archive(machine.debian).read_bytes())
    machine.write_file(_PLAYBOOK, json.dumps([_play(parameters)], indent=2))  # JSON is YAML


def _play(parameters: Mapping[str, str]) -> dict[str, object]:
    return {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "parameters": parameters},
        "tasks": [
            {
                "name": "Set the parameters",
                "ansible.builtin.lineinfile": {
                    "path": "/etc/postfix/main.cf",
                    "regexp": r"^{{ item.key }}\s*=",
                    "line": "{{ item.key }} = {{ item.value }}",
                },
                "loop": "{{ parameters | dict2items }}",
            }
        ],
    }


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
