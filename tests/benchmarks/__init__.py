"""How fast and how thrifty the program is, beside others that do the same, measured in the same run."""
