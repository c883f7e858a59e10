"""What runs is asked of real processes; what starts at boot of made-up trees."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from wizard import processes
from wizard.root import Root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="services run as root")


@contextmanager
def process(program: Path, *before: str, inside: str = "") -> Iterator[None]:
    """A process of ``program``, a copy of sleep(1); ``before`` starts it by its name ``inside``."""
    program.parent.mkdir(parents=True, exist_ok=True)
    sleep = shutil.which("sleep")
    assert sleep
    shutil.copy(sleep, program)
    program.chmod(0o755)
    started = subprocess.Popen([*before, inside or str(program), "60"], stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.2)
        if started.poll() is not None:
            pytest.skip(f"{before} is not allowed here")
        yield
    finally:
        started.kill()
        started.wait()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that counts as the service "test", by a name of this run's own."""
    name = f"master-{os.getpid()}"
    monkeypatch.setattr(processes, "_PROGRAMS", {"test": (name, "postfix")})
    tmp_path.chmod(0o755)
    return tmp_path / "postfix/sbin" / name


@only_root
def test_a_process_of_root_in_the_right_place_runs(program: Path) -> None:
    assert not processes.running("test")
    with process(program):
        assert processes.running("test")
    assert not processes.running("test")


@only_root
def test_the_same_name_elsewhere_is_another_program(program: Path) -> None:
    with process(program.parent.parent.parent / "other" / program.name):
        assert not processes.running("test")


@only_root
def test_a_user_can_not_pretend_to_be_the_service(program: Path) -> None:
    with process(program, "setpriv", "--reuid=65534", "--clear-groups"):
        assert not processes.running("test")


@only_root
def test_a_process_of_a_container_does_not_count(program: Path) -> None:
    with process(program, "unshare", "--pid", "--fork", "--kill-child"):
        assert not processes.running("test")


@only_root
def test_a_process_below_another_root_does_not_count(program: Path, tmp_path: Path) -> None:
    needed = subprocess.run(["ldd", shutil.which("sleep") or ""], capture_output=True, text=True, check=True)
    for library in re.findall(r"/\S+", needed.stdout):
        copy = tmp_path / library[1:]
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, copy)
    inside = f"/{program.relative_to(tmp_path)}"
    with process(program, "chroot", str(tmp_path), inside=inside):
        assert not processes.running("test")


# what starts at boot


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "usr/lib/systemd").mkdir(parents=True)
    (tmp_path / "usr/lib/systemd/systemd").touch()
    return Root(tmp_path)


def link(root: Root, path: str, target: str) -> None:
    place = root.path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def write(root: Root, path: str, text: str) -> None:
    place = root.path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


UNIT = "/usr/lib/systemd/system/saslauthd.service"
WANTED = "/etc/systemd/system/multi-user.target.wants/saslauthd.service"


def test_where_nothing_boots_nothing_can_be_enabled(tmp_path: Path) -> None:
    assert processes.enabled("postfix", Root(tmp_path)) is None


def test_what_is_not_installed_is_not_enabled(root: Root) -> None:
    assert processes.enabled("postfix", root) is False


def test_a_unit_is_enabled_by_a_link(root: Root) -> None:
    write(root, UNIT, "[Service]\n")
    assert processes.enabled("saslauthd", root) is False
    link(root, WANTED, UNIT)
    assert processes.enabled("saslauthd", root) is True
    assert processes.enabled("postfix", root) is False


def test_a_masked_unit_never_starts(root: Root) -> None:
    write(root, UNIT, "[Service]\n")
    link(root, WANTED, UNIT)
    link(root, "/etc/systemd/system/saslauthd.service", "/dev/null")
    assert processes.enabled("saslauthd", root) is False


@pytest.mark.parametrize(
    ("defaults", "starts"),
    [
        (None, False),
        ("MECHANISMS=pam\n", False),
        ("START=no\n", False),
        ("#START=yes\n", False),
        ("START=yes\n", True),
        ('START="yes"\n', True),
    ],
)
def test_an_init_script_also_wants_its_defaults_to_say_so(
    root: Root, defaults: str | None, starts: bool
) -> None:
    if defaults is not None:
        write(root, "/etc/default/saslauthd", defaults)
    write(root, "/etc/init.d/saslauthd", "#!/bin/sh\n")
    assert processes.enabled("saslauthd", root) is False
    link(root, "/etc/rc3.d/S01saslauthd", "../init.d/saslauthd")
    assert processes.enabled("saslauthd", root) is starts


def test_an_init_script_starts_each_instance_that_its_own_file_lets_start(root: Root) -> None:
    write(root, "/etc/default/saslauthd", "START=no\n")
    link(root, "/etc/rc3.d/S01saslauthd", "../init.d/saslauthd")
    write(root, "/etc/default/saslauthd.dpkg-old", "START=yes\n")
    assert processes.enabled("saslauthd", root) is False
    write(root, "/etc/default/saslauthd-postfix", "START=yes\n")
    assert processes.enabled("saslauthd", root) is True


def test_a_native_unit_does_not_ask_the_defaults(root: Root) -> None:
    write(root, UNIT, "[Service]\n")
    link(root, WANTED, UNIT)
    write(root, "/etc/default/saslauthd", "START=no\n")
    assert processes.enabled("saslauthd", root) is True
