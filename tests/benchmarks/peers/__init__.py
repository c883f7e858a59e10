"""Textual as it comes, for comparison."""
