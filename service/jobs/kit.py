"""What steps and their runner have in common."""

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from analytics.executors import Progress
from ledger import LedgerError
from ledger.settings import Settings

__all__ = ["Figures", "Progress", "StepFailed", "error_text"]

Figures = Mapping[str, Any]
# What stands between // and @ of an address: a name and a password.
_SIGN_IN = re.compile(r"(?<=//)[^/\s@]+(?=@)")
_PASSWORD = re.compile(r"(?i)\b(password|secret|token|api[_-]?key)(\s*[=:]\s*)\S+")


class StepFailed(Exception):
    """A step found something wrong that is no accident, and has figures to keep beside the error."""

    def __init__(self, message: str, figures: Figures) -> None:
        self.figures = figures
        super().__init__(message)


def error_text(error: Exception, settings: Settings) -> str:
    """What went wrong in one line, without secrets: for the health page, the log of runs and the operators' mail.

    A statement and its values, which drivers add to their errors, are left out: they may hold what customers typed.
    """
    if isinstance(error, LedgerError):
        words = f"{error.code}: {error}"
    elif isinstance(error, StepFailed):
        words = str(error)
    elif isinstance(error, sa.exc.DBAPIError):
        words = f"{type(error).__name__}: {error.orig}"
    else:
        words = f"{type(error).__name__}: {error}"
    address = sa.make_url(settings.database_url)
    for secret in (settings.smtp_password.get_secret_value(), str(address.password or "")):
        if secret:
            words = words.replace(secret, "…")
    return " ".join(_PASSWORD.sub(r"\1\2…", _SIGN_IN.sub("…", words)).split())
