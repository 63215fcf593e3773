"""What tests stand on: databases, a running app, a browser, and factories with safe defaults."""
