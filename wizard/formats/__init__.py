"""The configuration files that are edited, one module a format, from bytes to bytes."""
