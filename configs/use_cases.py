"""All use cases that there are, side by side: a broken one stops itself alone, and is told of."""

from __future__ import annotations

from dataclasses import dataclass

from configs.errors import BadConfig
from configs.use_case import UseCase, load_use_case, use_case_names


@dataclass(frozen=True)
class UseCases:
    """Those that hold, in order of name, and what is wrong with each of the others, by name."""

    sound: tuple[UseCase, ...]
    broken: dict[str, BadConfig]

    def require_all(self, meanwhile: str) -> None:
        """BadConfig with all that is wrong with the broken ones, and what is so `meanwhile`."""
        if self.broken:
            raise BadConfig("\n".join([*map(str, self.broken.values()), meanwhile]))


def all_use_cases() -> UseCases:
    """Read every YAML file of the settings' folder."""
    sound, broken = [], {}
    for name in use_case_names():
        try:
            sound.append(load_use_case(name))
        except BadConfig as wrong:
            broken[name] = wrong
    return UseCases(tuple(sound), broken)
