"""One act of a person makes at most one step for the browser's Back button.

Streamlit makes a step of its own for every change of the address that the server sends. ``st.switch_page`` with
parameters sends two (the new parameters on the *old* page, then the new page), and so does the menu when a page brings
back the filters it was left with: Back then shows a page that nobody ever looked at. The server cannot say "replace",
so a few lines in the browser do: of several steps in a row only the first one after a click, a tap or a key is a step,
the rest correct it. Where scripts are forbidden, Back takes the extra step and nothing else changes.
"""

import streamlit as st

_SCRIPT = """
<script>
(() => {
  if (window.oneStepPerAct) return;
  window.oneStepPerAct = true;
  const push = history.pushState;
  let acted = false;
  for (const act of ["pointerdown", "keydown", "click", "input"])
    window.addEventListener(act, () => { acted = true; }, true);
  window.addEventListener("popstate", () => { acted = false; }, true);
  history.pushState = (...step) => {
    if (acted) push.apply(history, step); else history.replaceState(...step);
    acted = false;
  };
})();
</script>
"""


def one_step_per_act() -> None:
    """Put the rule to work in the reader's browser. Called by the shell; the script runs once per browser tab."""
    st.html(_SCRIPT, width="content", unsafe_allow_javascript=True)
