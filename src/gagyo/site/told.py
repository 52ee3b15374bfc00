"""Nothing leaves that the approved plan did not tell: of each step its numbers, its rounds, and whether summed."""

from __future__ import annotations

from gagyo.protocol.plan import Plan
from gagyo.protocol.request import COORDINATOR, Request
from gagyo.site.admission import NotAdmitted

LEFT_OUT = "left_out"
"""In a plan, who receives what is asked for a hospital that is left out: each of them in turn."""


def check_told(plan: Plan, request: Request, step: str, numbers: int, each: bool, rounds: int) -> None:
    """Raise NotAdmitted where an answer holds more numbers than the plan says of its step, or comes once too often.

    each: whether the numbers leave as they are, and not in a sum. rounds: how many questions of this step the receiver
    had an answer to before. Whether the method asks this here is looked at elsewhere; this is what people approved.
    """
    told = [one for one in plan.sends.get(request.analysis, ()) if one["step"] == step]
    most = max((one["numbers"] for one in told), default=0)
    often = sum(one["rounds"] for one in told if request.receiver == COORDINATOR or one["to"] == LEFT_OUT)
    if numbers > most or rounds >= often or (each and not any(one["each"] for one in told)):
        raise NotAdmitted("not_told")
