"""Model cards, charts and pages: Markdown, HTML and PNG."""
