"""postfix-auth: authenticated mail submission with Postfix, set up, shown, applied and proved."""

__version__ = "0.1.0"
