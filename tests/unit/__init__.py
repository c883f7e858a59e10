"""Tests that run anywhere and touch nothing."""
