"""All adapters by name: every file of this folder that has an `ADAPTER`. One is read from disk when it is asked for."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Final, cast

import sync.central.channels as folder
from sync.central.channels.adapter import Adapter

SHARED: Final = frozenset(("adapter", "facts", "files", "names", "parts", "registry"))
"""Files here that are no adapters."""

_NAMES: Final = tuple(
    sorted(one.name for one in pkgutil.iter_modules(folder.__path__) if one.name not in SHARED)
)


class _Adapters(Mapping[str, Adapter]):
    """Finds an adapter in the file of its name."""

    def __getitem__(self, name: str) -> Adapter:
        if name not in _NAMES:
            raise KeyError(name)
        return cast("Adapter", importlib.import_module(f"{folder.__name__}.{name}").ADAPTER)

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


ADAPTERS: Final[Mapping[str, Adapter]] = _Adapters()
"""By the name `channels.toml` gives as `adapter`."""
