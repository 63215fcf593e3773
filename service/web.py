"""What the server does around the pages: start-up, routes, middleware, errors of ours."""

import asyncio
import gc
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from ledger.settings import settings
from service import api, public
from service.jobs.loop import JobsProcess

_log = logging.getLogger(__name__)


def routes() -> list[BaseRoute]:
    """Routes beside the pages: none; what is no page comes before the layers that pages need, see `middleware`."""
    return []


def middleware() -> list[Middleware]:
    """Middleware around the pages: the HTTP API, webhooks and what needs no sign-in answer below their paths."""
    served = api.create_api()
    outside = public.create_public(served.state.service)
    return [Middleware(api.ApiFirst, api=served), Middleware(public.PublicFirst, public=outside)]


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[dict[str, Any]]:
    """Runs while the server is up."""
    # What pages need, loaded before the first visitor, then taken out of garbage collection: Streamlit collects after
    # each rerun, and walking these objects took most of a rerun's time.
    for module in ("analytics.frames", "plotly.graph_objects", "babel.numbers"):
        import_module(module)
    gc.collect()
    gc.freeze()
    # Streamlit copies the file of secrets to the environment when somebody first looks at it; settings are read there.
    st.secrets.load_if_toml_exists()
    jobs = JobsProcess() if settings().run_jobs else None
    if jobs is not None:
        jobs.start()
    try:
        yield {}
    finally:
        if jobs is not None:
            await asyncio.to_thread(jobs.stop)


def on_script_error(error: BaseException) -> bool:
    """Show a reference instead of a trace; the trace is in the log under the same reference."""
    reference = secrets.token_hex(4)
    _log.error("page failed, reference %s", reference, exc_info=error)
    st.error(
        "This page could not be drawn. Drawing books nothing; if you had just confirmed something, this page tells its "
        f"true outcome when you open it again. Tell an admin the reference **{reference}**.",
        title="Something went wrong on our side",
        icon=":material/error:",
    )
    return True
