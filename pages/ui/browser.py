"""Two rules that only the browser can keep. Where scripts are forbidden both fall away and nothing else changes.

One act of a person makes at most one step for the Back button. Streamlit makes a step of its own for every change of
the address that the server sends. ``st.switch_page`` with parameters sends two (the new parameters on the *old* page,
then the new page), and so does the menu when a page brings back the filters it was left with: Back then shows a page
that nobody ever looked at. The server cannot say "replace", so the script does: of several steps in a row only the
first one after a click, a tap or a key is a step, the rest correct it.

In a narrow window the side bar lies over the page and closes when somebody chooses a page from the menu in it, but not
when somebody chooses a customer: the script closes it then, too.
"""

import streamlit as st

_SCRIPT = """
<script>
(() => {
  if (window.rulesAreKept) return;
  window.rulesAreKept = true;

  const push = history.pushState;
  let acted = false;
  for (const act of ["pointerdown", "keydown", "click", "input"])
    window.addEventListener(act, () => { acted = true; }, true);
  window.addEventListener("popstate", () => { acted = false; }, true);
  history.pushState = (...step) => {
    if (acted) push.apply(history, step); else history.replaceState(...step);
    acted = false;
  };

  window.addEventListener("click", event => {
    const isLink = event.target.closest?.('[data-testid="stSidebarUserContent"] a');
    if (isLink && matchMedia("(max-width: 768px)").matches)
      document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
  });
})();
</script>
"""


def keep_rules() -> None:
    """Put the rules to work in the reader's browser. Called by the shell; the script runs once per browser tab."""
    st.html(_SCRIPT, width="content", unsafe_allow_javascript=True)
