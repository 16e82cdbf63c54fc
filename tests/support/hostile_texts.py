"""Texts that break quoting, in the languages of the files that are written."""

HOSTILE_TEXTS = [
    'a "quoted" name', "it's", "both ' and \"", '"""', "'''", "back\\slash", "end\\", "{{ plan }}",
    "{% raw %}", "{# note #}", "{0}", "%s", "two\nlines", "tab\there", "return\r", "Größe", "価格",
    "😀", "\u2028", "\x85", "\x00", "\x7f", "\ufeff", "a: b", "a, b", "# no comment", "- item",
    "[x]", "*star", "&anchor", "!tag", "yes", "null", "~", "1", "1e3", "2024-01-01", "", " ", " x ",
    "class", "pl", "x²", "ﬁ", "<b>&amp;</b>", "?", "|", ">", "@at", "`tick`", "N/A", ".", "=", "<<",
]  # fmt: skip
