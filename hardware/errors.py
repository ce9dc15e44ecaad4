"""Everything that can go wrong with this box itself.

DeviceError
  EnrolmentError     this device is not, or not yet, known to a centre
  FolderInUse        another process already owns this data folder
  DiskFull           no room to keep what must not be lost
  DiskFault          the disk refused for another reason
"""


class DeviceError(Exception):
    """Something is wrong with this box; staff or a technician can do something about it."""


class EnrolmentError(DeviceError):
    """This device is not, or not yet, known to a centre."""


class FolderInUse(DeviceError):
    """Another process already owns this data folder."""


class DiskFull(DeviceError):
    """There is no room to keep what must not be lost."""


class DiskFault(DeviceError):
    """The disk refused for another reason than being full."""


class AddressTaken(DeviceError):
    """Another program listens there, or it is no address of this machine."""
