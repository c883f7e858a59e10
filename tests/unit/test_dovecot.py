"""What is understood of doveconf's answers, and how a file is tried before it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wizard import check_dovecot, dovecot
from wizard.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

OLD = """# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf
# OS: Linux 6.1 x86_64 Debian 12.15
auth_mechanisms = plain login
passdb {
  driver = pam
}
passdb {
  args = /etc/dovecot/users
  driver = passwd-file
}
protocol imap {
  passdb {
    driver = ldap
  }
}
service auth {
  inet_listener postfix-auth {
    address = 127.0.0.1
    port = 12345
  }
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
  }
}
"""
NEW = """# 2.4.1-4 (7d8c0e5759): /etc/dovecot/dovecot.conf
dovecot_config_version = 2.4.0
passdb pam {
}
passdb users {
  driver = passwd-file
  passwd_file_path = /etc/dovecot/users
}
service auth {
  unix_listener auth-userdb {
  }
}
"""


def answering(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Let doveconf be ``script``, whose third argument is the configuration to read."""
    program = folder / "doveconf"
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    monkeypatch.setattr(dovecot, "DOVECONF", str(program))


def test_both_versions_are_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = []
    for text in (OLD, NEW):
        answering(monkeypatch, tmp_path, f"cat <<'END'\n{text}END\n")
        found.append(dovecot.settings(tmp_path))
    old, new = found
    assert (old.version, new.version) == ((2, 3), (2, 4))
    assert (old.mechanisms, new.mechanisms) == (("PLAIN", "LOGIN"), ("PLAIN",))
    assert (old.passdbs, new.passdbs) == (("pam", "passwd-file"), ("pam", "passwd-file"))
    assert old.listeners == {
        "inet_listener postfix-auth",
        "unix_listener /var/spool/postfix/private/auth",
    }


def test_a_file_is_tried_beside_the_real_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As dovecot.conf includes it, by its full path too; nothing is written among the real files."""
    real = tmp_path / "dovecot"
    (real / "conf.d").mkdir(parents=True)
    (real / "dovecot.conf").write_text(f"a\n!include {real}/conf.d/*.conf\n")
    (real / "conf.d/10-auth.conf").write_text("auth_mechanisms = plain\n")
    # like doveconf, it follows what dovecot.conf includes
    answering(monkeypatch, tmp_path, "cat $(sed -n 's/^!include //p' $3) | tail -n 1\n")
    tried = dovecot.settings_with(f"{real}/conf.d/95-ours.conf", b"auth_mechanisms = login\n")
    assert tried.mechanisms == ("LOGIN",)
    assert dovecot.settings(real).mechanisms == ("PLAIN",)
    (real / "conf.d/95-ours.conf").write_text("auth_mechanisms = login\n")
    assert dovecot.settings_with(f"{real}/conf.d/95-ours.conf", None).mechanisms == ("PLAIN",)
    assert (real / "conf.d/95-ours.conf").exists()


def test_what_can_not_be_read_is_told_by_its_real_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "dovecot.conf").write_text("")
    answering(
        monkeypatch, tmp_path, 'echo "Fatal: $(dirname $3)/conf.d/95-ours.conf line 1: what?" >&2\nexit 89\n'
    )
    with pytest.raises(HostError, match=f"Fatal: {tmp_path}/conf.d/95-ours.conf line 1: what[?]; nothing"):
        dovecot.settings_with(f"{tmp_path}/conf.d/95-ours.conf", b"x {")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("inet:127.0.0.1:12345", True),
        ("inet:[::1]:12345", True),
        ("inet:localhost:12345", True),
        ("inet:192.0.2.1:12345", False),
        ("inet:[2001:db8::1]:12345", False),
        ("inet:127.example.com:12345", False),
    ],
)
def test_where_tcp_stays_on_this_host(address: str, local: bool) -> None:
    assert check_dovecot.on_loopback(address) is local
