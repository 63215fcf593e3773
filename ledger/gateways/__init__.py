"""Other people's machines, each behind one class that speaks of our things and raises our errors."""
