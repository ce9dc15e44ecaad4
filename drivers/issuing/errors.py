"""What can go wrong where bands are issued, beside what drivers and the disk already say.

IssuingError
  PlanMalformed       the plan or the sheet says something that cannot be done; nothing was touched
  JournalDamaged      a line of the journal before its last is none; a person must look
  BandRejected        this band is not to be issued, or is not as the plan says; what was done before stands in the journal
    NotGenuine        its maker did not sign it
    BandOfAnother     keys or files on it are not ours and not a factory's
    WrongBand         it is not the band the sheet or the command line names
    NotAsPlanned      read back, it differs from the plan
"""


class IssuingError(Exception):
    """Base of all errors of issuing. `code` is short and fixed, for reports; never renamed."""

    code = "issuing"


class PlanMalformed(IssuingError):
    """The plan or the sheet says something that cannot be done; nothing was touched."""

    code = "plan"


class JournalDamaged(IssuingError):
    """A line of the journal is none of ours, and not merely the last one cut short."""

    code = "journal"


class BandRejected(IssuingError):
    """This band is not to be issued, or is not as the plan says."""

    code = "rejected"


class NotGenuine(BandRejected):
    """Its maker did not sign its UID, where this kind of chip has such a signature."""

    code = "not_genuine"


class BandOfAnother(BandRejected):
    """It holds keys or files that are neither ours nor as the factory left them."""

    code = "of_another"


class WrongBand(BandRejected):
    """It is not the band that was asked for."""

    code = "wrong_band"


class NotAsPlanned(BandRejected):
    """Read back, it differs from the plan.

    Attributes:
        differences: In words, one by one.
    """

    code = "not_as_planned"

    def __init__(self, *differences: str) -> None:
        super().__init__("; ".join(differences))
        self.differences = differences
