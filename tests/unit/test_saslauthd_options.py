"""saslauthd's options are read as saslauthd itself does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wizard import platforms, sasl
from wizard.root import Root

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ("-c -m /run/s", ("-c", "-m", "/run/s")),
        ("-rc -m/run/s", ("-r", "-c", "-m", "/run/s")),
        ("-crm /run/s -n 3", ("-c", "-r", "-m", "/run/s", "-n", "3")),
        ("-c -O server/143 extra", ("-c", "-O", "server/143", "extra")),
        ("-c --what /run/s", ("-c", "--what", "/run/s")),
    ],
)
def test_options_may_share_a_word(options: str, read: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_ID="13"\n')
    platform = platforms.recognize(Root(tmp_path))
    found = sasl.saslauthd(platform, f'OPTIONS="{options}"\n'.encode())
    assert found.options == read
    assert found.caches
