"""One hospital's part in a secure sum: its share is masked; pooled cells are checked before the values are opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gagyo.errors import Tampered
from gagyo.exchange.envelope import Keys, PublicKeys, seal
from gagyo.federation.secure_sum import check_answer
from gagyo.protocol.request import Request, Summand
from gagyo.release import ring, sharing
from gagyo.release.aggregate import Counts
from gagyo.release.decision import Answer
from gagyo.release.masks import mask_of, own_key, own_mask, pair_masks
from gagyo.release.ring import Limbs
from gagyo.release.sharing import Share
from gagyo.site.admission import NotAdmitted

Publics = Mapping[str, PublicKeys]


def masked(share: Share, summand: Summand, keys: Keys, publics: Publics) -> dict[str, Any]:
    """A share's payload: both blocks under pairwise masks and this hospital's own."""
    people, values = ring.encode_heads(share.people, len(summand.roster)), ring.encode(share.values, share.scales)
    return {
        "header": share.header,
        "people": _mask(people, "people", summand, keys, publics),
        "values": _mask(values, "values", summand, keys, publics),
    }


def _mask(block: Limbs, name: str, summand: Summand, keys: Keys, publics: Publics) -> Limbs:
    secrets = {site: keys.shared_with(publics[site]) for site in summand.roster if site != summand.site}
    pairwise = pair_masks(secrets, summand, name, len(block))
    return ring.add(block, ring.add(pairwise, own_mask(keys.private, summand, name, len(block))))


def check_shares(opening: Request, first: Summand, own: Answer, publics: Publics) -> list[Answer]:
    """The shares of the whole roster, each signed by its hospital for this statement, this hospital's among them."""
    shares: list[Answer] = list(opening.relay.get("shares", ()))
    if [one.site for one in shares] != list(opening.roster):
        raise NotAdmitted("bad_roster")
    for share in shares:
        check_answer(share, publics)
        if share.request != first.at(share.site).request:
            raise NotAdmitted("bad_roster")
        if share.site == own.site and share.receipt != own.receipt:
            raise NotAdmitted("bad_roster")
    return shares


def people_boxes(first: Summand, keys: Keys, publics: Publics) -> dict[str, Any]:
    """The key of this hospital's mask of the people block, sealed to each other of the roster and to nobody else."""
    key, label = own_key(keys.private, first, "people"), first.statement.encode()
    return {site: seal(key, publics[site], label) for site in first.roster if site != first.site}


def pooled_people(opening: Request, first: Summand, shares: list[Answer], keys: Keys, publics: Publics) -> Counts:
    """The pooled people block, from all shares and the keys of masks that the other hospitals sealed to this one.

    These came as answers of their own, or with the shares where every hospital had opened this roster before.
    """
    boxes: list[Answer] = list(opening.relay.get("people", shares))
    if [one.site for one in boxes] != list(opening.roster) or not all("boxes" in one.payload for one in boxes):
        raise NotAdmitted("bad_roster")
    heads = sharing.heads(shares[0].payload["header"])
    entries = ring.entries_of(heads)
    masks = [own_mask(keys.private, first, "people", entries)]
    for box in boxes:
        check_answer(box, publics)
        if box.site != first.site:
            key = keys.unseal(box.payload["boxes"][first.site], first.statement.encode())
            masks.append(_mask_of(key, entries, box.site))
    total = sharing.sum_of(share.payload["people"] for share in shares)
    return ring.decode_heads(ring.subtract(total, sharing.sum_of(masks)), heads, len(shares))


def _mask_of(key: bytes, entries: int, sender: str) -> Limbs:
    try:
        return mask_of(key, entries)
    except ValueError:
        raise Tampered.of("bad_wire", found=sender) from None


def opened_mask(first: Summand, opened: np.ndarray[Any, np.dtype[np.bool_]], keys: Keys) -> dict[str, Any]:
    """This hospital's own mask of the values block, at the entries that the pooled rules let out."""
    mask = own_mask(keys.private, first, "values", opened.size)
    return {"opened": opened, "mask": mask[opened]}
