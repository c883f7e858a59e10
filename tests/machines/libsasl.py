"""Runs on a machine: asks libsasl what it reads in a smtpd.conf, and sh in a file of variables."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
from base64 import b64decode

_SHOW = '. "$0"; for name; do eval "printf \'%s\\\\0\' \\"\\$$name\\""; done'


def _by_libsasl(path: str, keys: list[str]) -> dict[str, str | None] | None:
    """Return the value of each key; None: libsasl can't read the file."""
    library = ctypes.CDLL("libsasl2.so.2")
    library.sasl_config_getstring.restype = ctypes.c_char_p
    if library.sasl_config_init(path.encode()):
        return None
    found = ((key, library.sasl_config_getstring(key.encode(), None)) for key in keys)
    return {key: value.decode("latin-1") if value is not None else None for key, value in found}


def _by_sh(path: str, names: list[str]) -> dict[str, str | None]:
    """Return the value of each variable; one that is not set is empty."""
    done = subprocess.run(["sh", "-c", _SHOW, path, *names], capture_output=True, check=False, env={})
    return dict(zip(names, done.stdout.decode("latin-1").split("\0"), strict=False))


def main() -> None:
    """Read cases from standard input (name -> base64 of a text, and keys), write what is read in each."""
    reader = sys.argv[1]
    if reader == "one":  # libsasl keeps what it has read: each file in a process of its own
        sys.stdout.write(json.dumps(_by_libsasl(sys.argv[2], sys.argv[3:])))
        return
    found: dict[str, object] = {}
    for name, (text, keys) in json.load(sys.stdin).items():
        with tempfile.NamedTemporaryFile() as file:
            file.write(b64decode(text))
            file.flush()
            if reader == "sh":
                found[name] = _by_sh(file.name, keys)
                continue
            argv = [sys.executable, "-m", "tests.machines.libsasl", "one", file.name, *keys]
            found[name] = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
