"""Bands that can only be known by their UID, which anybody can copy: a claim and nothing more."""

from drivers.chips.identify import has_true_uid
from drivers.proof import ChipFamily, Proof, ProofKind
from drivers.target import Target


def proof_of_uid(target: Target, family: ChipFamily) -> Proof:
    """What a band proves that was only seen: nothing; with its UID when that is one that stays."""
    return Proof(
        kind=ProofKind.NONE,
        family=family,
        generation=0,
        uid=target.uid if has_true_uid(target) else None,
        band=None,
    )
