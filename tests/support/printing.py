"""What Rich prints, as plain text."""


def print_plain(what) -> str:
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=200)
    console.print(what)
    return console.file.getvalue()
