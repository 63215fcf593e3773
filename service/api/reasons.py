"""What bodies share that move credits by somebody's decision: the reason."""

from datetime import date
from typing import Annotated

from pydantic import Field

from ledger import Reason
from service.api.answers import Body

# What a column of ids holds.
RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
LastDay = Annotated[date | None, Field(description="Last usable day, in the customer's time zone")]


class Reasoned(Body):
    """Base of bodies that say why: a code to count by, a note to read, a ticket to follow."""

    reason: str = Field(description="Code to count by", examples=["goodwill"])
    note: str = Field(description="Why, in at least ten characters", examples=["Outage of 3 March"])
    ticket: str = Field("", examples=["T-1042"])

    def why(self) -> Reason:
        """The reason as the ledger takes it."""
        return Reason(self.reason, self.note, self.ticket)
