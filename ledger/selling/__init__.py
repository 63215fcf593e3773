"""Selling credits: checkout pages, what providers tell, and everything that asks a provider something."""
