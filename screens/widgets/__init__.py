"""What several steps show: lists, fields, panes of text."""
