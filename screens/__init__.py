"""The wizard's face: Textual screens over the engine, no logic of their own."""
