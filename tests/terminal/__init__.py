"""The wizard: its logic through Textual's own pilot, its bytes in a real pseudo-terminal."""
