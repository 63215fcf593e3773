"""Analytics: frames in, frames and figures out. Nothing here writes, and nothing knows of a page."""
