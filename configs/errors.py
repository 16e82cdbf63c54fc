"""Errors that Mainspring raises itself.

MainspringError
├── Terminal          running it again fails again: a person must change something
│   ├── BadConfig     a use case or a setting is wrong; names the file, the field and the fix
│   ├── RefusedBatch  a landed file is refused as a whole
│   ├── NoRows        a window has no rows
│   ├── BadModel      a model file differs from the registered one, or is invalid
│   ├── NoChampion    no version was promoted yet
│   ├── CannotWrite   a folder is full or read-only
│   ├── Damaged       a stored file is missing, or differs from what was written
│   ├── SchemaChanged columns of the lake and of the YAML have different types
│   └── CannotStart   a local server or worker died or was not healthy in time
└── Transient         running it again may work
    └── Conflict      another process wrote first
"""


class MainspringError(Exception):
    """Base of all errors that are Mainspring's own."""


class Terminal(MainspringError):
    """A retry cannot help; the message says what to do."""


class BadConfig(Terminal):
    """A YAML file or a setting is invalid; the message names file, field and fix."""


class RefusedBatch(Terminal):
    """A landed file is unreadable or breaks a blocking rule, and is refused as a whole."""


class NoRows(Terminal):
    """The requested window has no rows; the message names table and window."""


class BadModel(Terminal):
    """A model file differs from its digest, or its predictions from its golden rows."""


class NoChampion(Terminal):
    """No version of this use case was champion at the requested time."""


class CannotWrite(Terminal):
    """A folder is full or read-only; the message names it. Earlier commits are intact."""


class Damaged(Terminal):
    """A stored file is missing, unreadable, or not as it was written; the message names it."""


class SchemaChanged(Terminal):
    """Rows have another type than their table; the message names table, column and both types."""


class CannotStart(Terminal):
    """A process of `mainspring up` did not start; the message has the end of its log."""


class Transient(MainspringError):
    """A retry may help."""


class Conflict(Transient):
    """A compare-and-set failed: the ledger changed between reading and writing."""
