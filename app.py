"""The server's entry: pages, and later HTTP API and webhooks, on one port. No UI in it."""

import streamlit as st

from service import web

# `streamlit run` reads this line without running it: it must stay a literal st.App(...).
app = st.App(
    "pages/shell.py",
    routes=web.routes(),
    middleware=web.middleware(),
    lifespan=web.lifespan,
    on_script_error=web.on_script_error,
)

if __name__ == "__main__":
    app.run()
