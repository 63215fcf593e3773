"""Jobs: everything that has to happen by itself. `run_due` runs what is due, once, under one lease."""

from service.jobs.runner import Ran, Turn, run_due
from service.jobs.steps import STEPS, Step

__all__ = ["STEPS", "Ran", "Step", "Turn", "run_due"]
