"""Small helpers behind the Makefile; no part of the product imports them."""
