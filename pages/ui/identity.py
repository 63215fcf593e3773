"""Who is looking. In this version: a development identity, chosen from a few people by an explicit switch.

Sign-in by OIDC comes later; the development identity refuses to work beside it. Permissions are never decided here:
pages ask `ledger.core.policy` through `guard`, and the ledger asks again on every write.
"""

from functools import cache

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from ledger import Actor, Role
from ledger.settings import settings
from pages.ui import address

_CHOSEN = "identity"
ROLE_WORDS = {Role.FINANCE: "finance", Role.ACCOUNT_MANAGER: "account manager", Role.ADMIN: "admin"}
# Word in the address → name and actor. The first is who looks until somebody is chosen.
PEOPLE: dict[str, tuple[str, Actor]] = {
    "ada": ("Ada Admin", Actor("ada@example.com", Role.ADMIN)),
    # Approvals need a second person who may do the same.
    "bea": ("Bea Brandt", Actor("bea@example.com", Role.ADMIN)),
    "fiona": ("Fiona Fields", Actor("fiona@example.com", Role.FINANCE)),
    "max": ("Max Berger", Actor("max@example.com", Role.ACCOUNT_MANAGER)),
}
_FIRST = next(iter(PEOPLE))


def current() -> Actor | None:
    """The person looking at the page, or None when nobody can be: no sign-in and no development identity."""
    return PEOPLE[_chosen()][1] if is_development() else None


def is_development() -> bool:
    """Whether the development identity is switched on and allowed."""
    return settings().dev_identity and not _has_sign_in()


def choose() -> None:
    """Draw the choice in the side bar. It stays in the session and in the address, so a reload keeps it."""
    if not is_development():
        return
    # Callbacks run before the page, so whoever is chosen is the actor of this very run.
    st.session_state[_CHOSEN] = _chosen()
    with st.sidebar:
        st.selectbox(
            "Development identity",
            list(PEOPLE),
            key=_CHOSEN,
            format_func=lambda word: f"{PEOPLE[word][0]} · {ROLE_WORDS[PEOPLE[word][1].role]}",
            help="Switched on by DEV_IDENTITY. Choose who you are; permissions follow the role.",
            persist_state="session",
        )
    address.put("as", None if st.session_state[_CHOSEN] == _FIRST else st.session_state[_CHOSEN])


def banner_text() -> str:
    """Who the development identity is, for the bar above every page; empty without one."""
    if not is_development():
        return ""
    name, actor = PEOPLE[_chosen()]
    return f"Development identity: {name}, {ROLE_WORDS[actor.role]}"


def explain_missing() -> None:
    """Say why nobody is signed in, and what to do."""
    if _has_sign_in() and settings().dev_identity:
        st.error(
            "Both [auth] in .streamlit/secrets.toml and DEV_IDENTITY are set. The development identity never works "
            "beside sign-in: remove one of them and start again.",
            title="Two ways to sign in",
        )
    else:
        st.error(
            "Nobody can sign in here yet: this version has no sign-in. To try the product on your own machine, start "
            "it with the environment variable `DEV_IDENTITY=true` and choose who you are in the side bar. Never set it "
            "where others can reach the address.",
            title="Sign-in is not set up",
        )


def _chosen() -> str:
    word = st.session_state.get(_CHOSEN) or st.query_params.get("as") or _FIRST
    return word if word in PEOPLE else _FIRST


@cache
def _has_sign_in() -> bool:
    # Asked once: Streamlit looks for the file of secrets at each question.
    try:
        return "auth" in st.secrets
    except StreamlitSecretNotFoundError:
        return False
