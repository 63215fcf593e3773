"""How the pretended provider delivers its messages: signed, and through the same door as everybody's."""

from ledger.core.payments import Provider
from ledger.errors import ProviderNotSetUp
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.inbox import accept


def has_outgoing(ledger: Ledger) -> bool:
    """Whether the mock provider has something to tell."""
    try:
        return registry.mock(ledger).store.has_outgoing()
    except ProviderNotSetUp:
        return False


def deliver(ledger: Ledger) -> int:
    """Hand over what the mock provider has to tell, in its order; answers how many messages. Nothing without a demo.

    They leave its outgoing mail when all of them are written down here: a crash in between delivers some twice.
    """
    try:
        mock = registry.mock(ledger)
    except ProviderNotSetUp:
        return 0
    with mock.store.turn() as turn:
        told = turn.take_told()
        for event in told:
            body, headers = mock.sign(event)
            accept(ledger, Provider.MOCK, body, headers, using=mock)
    return len(told)
