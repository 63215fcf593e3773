"""The kit that pages are drawn with."""
