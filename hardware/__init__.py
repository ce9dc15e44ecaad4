"""The box itself: what prepares it, what time it is, chance, files, and virtual devices.

bootstrap    prepares a machine once, then runs the rest of its line there
kiosk_wheel  builds what is installed on a kiosk: the same without issuing, centre and virtual devices
locks/       pinned requirements with hashes, one file a set
clock        wall time, time that never goes back, and sleeping
moments      wall time as a number and back
entropy      random bytes and ids
descriptors  standard input, output and error that somebody closed
network      whether this machine's own network changed
disk         files that must survive a power cut
identity     this device's key pair and what it knows of its centre
errors       what can go wrong with a device
findings     what a check found in one line, and the machine as checks see it
checks       what can be wrong with the machine under a reader
profiles/    what is known of each reader model, one TOML file each
assets/      rules for udev, modprobe, polkit and systemd that a technician installs
left_out     starts without packages that are only there by chance
log          JSON lines with an allow-list of keys
virtual/     bands, field, PN532 on a pty, vpcd: written without our drivers, so that it can disagree with them
"""
