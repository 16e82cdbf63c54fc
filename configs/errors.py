"""Every error that Mainspring raises by itself.

MainspringError
├── Terminal          running it again gives the same answer: a person must change something
│   ├── BadConfig     a use case or a setting is wrong; names the file, the field and the fix
│   ├── RefusedBatch  a landed file cannot be taken as a whole
│   ├── NoRows        a window holds nothing to work on
│   ├── BadModel      a model file is not what was registered, or breaks the contract
│   ├── NoChampion    nothing has been promoted yet
│   └── CannotStart   a local server or worker died or was not healthy in time
└── Transient         running it again may work
    └── Conflict      somebody else wrote first
"""


class MainspringError(Exception):
    """Base of all errors that are Mainspring's own."""


class Terminal(MainspringError):
    """Trying again cannot help; the message says what would."""


class BadConfig(Terminal):
    """A YAML file or a setting does not hold; the message names file, field and fix."""


class RefusedBatch(Terminal):
    """A landed file breaks a blocking rule (or cannot be read) and is refused whole."""


class NoRows(Terminal):
    """The window asked for holds no rows; the message names table and window."""


class BadModel(Terminal):
    """A model file differs from its registered digest, or its answers from its golden rows."""


class NoChampion(Terminal):
    """No model of this use case was champion at the moment asked for."""


class CannotWrite(Terminal):
    """A folder is full or read-only; the message names it. What was committed before is whole."""


class CannotStart(Terminal):
    """A process of `mainspring up` did not come up; the message has the end of its log."""


class Transient(MainspringError):
    """Trying again may help."""


class Conflict(Transient):
    """A compare-and-set lost: the ledger moved on between reading and writing."""
